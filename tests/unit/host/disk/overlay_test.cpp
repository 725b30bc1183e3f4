// Disks whose writes end with them, by Debian's qemu-nbd.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "image_io.h"
#include "support/scratch_directory.h"
#include "support/temporary_file.h"

namespace veneer {
namespace {

using ::testing::HasSubstr;

class OverlayTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!FindProgram("qemu-img", "qemu-utils")) {
      GTEST_SKIP() << "qemu-img is missing (Debian's package qemu-utils)";
    }
    config_.path = scratch_.File("base.img");
    ASSERT_TRUE(
        RunTool("qemu-img", {"create", "-q", "-f", GetParam(), config_.path, "4M"}).succeeded());
    Open(false);
    ASSERT_EQ(Write(*channel_, 1 << 20U, Pattern(65536, 1)), 0);
    ASSERT_EQ(Flush(*channel_), 0);
    Close();
    before_ = Content();
  }
  void Open(bool overlay) {
    config_.overlay = overlay;
    OpenBoth(config_, image_, channel_);
  }
  void Close() {
    channel_.reset();
    image_.reset();
  }
  std::string Content() const {
    std::ifstream file(config_.path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  const test::ScratchDirectory scratch_;
  DiskConfig config_;
  std::string before_;
  std::unique_ptr<DiskImage> image_;
  std::unique_ptr<DiskChannel> channel_;
};

TEST_P(OverlayTest, WritesAreReadBackAndGoneAfterwards) {
  Open(true);
  EXPECT_EQ(image_->facts().bytes, 4U << 20U);
  EXPECT_FALSE(image_->facts().readonly);
  EXPECT_EQ(Read(*channel_, 1 << 20U, 65536), Pattern(65536, 1));
  EXPECT_EQ(Write(*channel_, 1 << 20U, Pattern(65536, 2)), 0);
  EXPECT_EQ(Flush(*channel_), 0);
  EXPECT_EQ(Read(*channel_, 1 << 20U, 65536), Pattern(65536, 2));
  EXPECT_EQ(Content(), before_);
  Close();
  EXPECT_EQ(Content(), before_);
  Open(true);
  EXPECT_EQ(Read(*channel_, 1 << 20U, 65536), Pattern(65536, 1));
}

TEST_P(OverlayTest, ABaseIsSharedByOverlaysAndWrittenByNobody) {
  Open(true);
  std::unique_ptr<DiskImage> second;
  std::unique_ptr<DiskChannel> channel;
  OpenBoth(config_, second, channel);
  EXPECT_EQ(Write(*channel, 0, Pattern(4096, 3)), 0);
  EXPECT_NE(Read(*channel_, 0, 4096), Pattern(4096, 3));
  DiskConfig writer = config_;
  writer.overlay = false;
  EXPECT_THAT(RefusalOf(writer), HasSubstr("in use"));
}

INSTANTIATE_TEST_SUITE_P(Formats, OverlayTest, ::testing::Values("raw", "qcow2"),
                         [](const auto& param_info) { return param_info.param; });

TEST(Overlay, IsForFilesThatAreWritten) {
  EXPECT_THAT(ParseDisk("path=a,overlay=on,readonly=on").error().message, HasSubstr("contradict"));
  EXPECT_TRUE(ParseDisk("path=a,overlay=on")->overlay);
  DiskConfig config;
  config.path = "nbd://localhost";
  config.overlay = true;
  EXPECT_THAT(RefusalOf(config), HasSubstr("image files"));
}

}  // namespace
}  // namespace veneer
