// qcow2 disks: what the image holds afterwards, and what is refused, in which words.

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>

#include <gmock/gmock.h>

#include "image_io.h"
#include "support/eventually.h"
#include "support/scratch_directory.h"
#include "support/temporary_file.h"

namespace veneer {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

class Qcow2ImageTest : public ::testing::Test {
 protected:
  Qcow2ImageTest() { config_.path = scratch_.File("disk.qcow2"); }

  void Make(std::vector<std::string> options, const std::string& size = "16M") {
    options.insert(options.begin(), {"create", "-q", "-f", "qcow2"});
    options.push_back(config_.path);
    if (!size.empty()) {
      options.push_back(size);
    }
    const auto made = RunTool("qemu-img", options);
    ASSERT_TRUE(made.succeeded()) << made.complaint;
  }
  // What qemu-img no longer makes: an image that leaves the format to be guessed.
  void ForgetBackingFormat() const {
    constexpr std::string_view kExtension = "\xe2\x79\x2a\xca";
    std::fstream file(config_.path, std::ios::in | std::ios::out | std::ios::binary);
    std::string start(4096, '\0');
    file.read(start.data(), static_cast<std::streamsize>(start.size()));
    const std::size_t place = start.find(kExtension);
    ASSERT_NE(place, std::string::npos);
    file.seekp(static_cast<std::streamoff>(place));
    file.write("skip", 4);  // extensions of an unknown type are passed over
  }
  void Open() { OpenBoth(config_, image_, channel_); }
  void Close() {
    channel_.reset();
    image_.reset();
  }

  const test::ScratchDirectory scratch_;
  DiskConfig config_;
  std::unique_ptr<DiskImage> image_;
  std::unique_ptr<DiskChannel> channel_;
};

TEST_F(Qcow2ImageTest, KeepsWhatIsWritten) {
  Make({});
  Open();  // found out by its first bytes
  EXPECT_EQ(image_->facts().bytes, 16U << 20U);
  EXPECT_EQ(image_->facts().discard_granularity, 65536U);
  const auto data = Pattern(300 << 10U, 1);
  EXPECT_EQ(Write(*channel_, 5 << 20U, data), 0);
  EXPECT_EQ(Flush(*channel_), 0);
  EXPECT_EQ(Write(*channel_, 9 << 20U, data), 0) << "not flushed by anybody";
  Close();
  const auto check = RunTool("qemu-img", {"check", config_.path});
  EXPECT_TRUE(check.succeeded()) << check.output << check.complaint;
  config_.format = DiskFormat::kQcow2;
  Open();
  EXPECT_EQ(Read(*channel_, 5 << 20U, data.size()), data);
  EXPECT_EQ(Read(*channel_, 9 << 20U, data.size()), data);
  EXPECT_EQ(Discard(*channel_, 0, 16 << 20U), 0);
  EXPECT_THAT(Read(*channel_, 5 << 20U, 4096), Each(std::byte{0}));
}

TEST_F(Qcow2ImageTest, EveryWayToCacheIt) {
  Make({});
  for (const char* keys : {"cache=none", "cache=unsafe", "readonly=on", "queues=2,discard=off"}) {
    const auto config = ParseDisk("path=" + config_.path + "," + keys);
    const auto image = OpenDiskImage(*config);
    ASSERT_TRUE(image.has_value()) << keys << ": " << image.error().message;
    EXPECT_EQ((*image)->facts().readonly, config->readonly);
    EXPECT_THAT(Read(*ChannelOf(**image), 4096, 4096), Each(std::byte{0})) << keys;
  }
}

TEST_F(Qcow2ImageTest, LiesOnABackingFileThatStaysAsItIs) {
  const TemporaryFile base(16U << 20U);
  const auto old = Pattern(4096, 2);
  base.Write(0, old);
  Make({"-b", base.path(), "-F", "raw"}, "");
  EXPECT_THAT(RefusalOf(config_), HasSubstr("write format=qcow2 if you made it"))
      << "a guest could read our files that way";
  config_.format = DiskFormat::kQcow2;
  Open();
  EXPECT_EQ(Read(*channel_, 0, 4096), old);
  EXPECT_EQ(Write(*channel_, 0, Pattern(4096, 3)), 0);
  EXPECT_EQ(Read(*channel_, 0, 4096), Pattern(4096, 3));
  Close();
  EXPECT_EQ(base.Read(0, 4096), old);
}

TEST_F(Qcow2ImageTest, InUse) {
  Make({});
  Open();
  EXPECT_THAT(RefusalOf(config_), HasSubstr("is in use by another program"));
}

TEST_F(Qcow2ImageTest, IsNoQcow2Image) {
  const TemporaryFile raw(1U << 20U);
  config_.path = raw.path();
  config_.format = DiskFormat::kQcow2;
  EXPECT_THAT(RefusalOf(config_), HasSubstr("is not a qcow2 image; leave out format=qcow2"));
  config_.path = "/nonexistent/disk.qcow2";
  EXPECT_THAT(RefusalOf(config_), HasSubstr("cannot open disk '/nonexistent/disk.qcow2'"));
}

TEST_F(Qcow2ImageTest, Encrypted) {
  Make({"--object", "secret,id=s,data=abc", "-o", "encrypt.format=aes,encrypt.key-secret=s"});
  EXPECT_THAT(RefusalOf(config_), HasSubstr("it is encrypted"));
}

TEST_F(Qcow2ImageTest, WithItsDataElsewhere) {
  Make({"-o", "data_file=" + scratch_.File("data")});
  EXPECT_THAT(RefusalOf(config_), HasSubstr("has its data in another file"));
}

TEST_F(Qcow2ImageTest, BackingFilesThatAreNotOpened) {
  config_.format = DiskFormat::kQcow2;
  Make({"-u", "-b", scratch_.File("gone"), "-F", "raw"});
  EXPECT_THAT(RefusalOf(config_),
              HasSubstr("its backing file '" + scratch_.File("gone") + "' is missing"));
  const TemporaryFile base(1U << 20U);
  Make({"-u", "-b", base.path(), "-F", "vmdk"});
  EXPECT_THAT(RefusalOf(config_), HasSubstr("has the format vmdk, and can only be raw or qcow2"));
  Make({"-u", "-b", base.path(), "-F", "qcow2"});
  EXPECT_THAT(RefusalOf(config_), HasSubstr("is no qcow2 image, as it should be"));
  ForgetBackingFormat();
  EXPECT_THAT(RefusalOf(config_), HasSubstr("does not say the format of its backing file"));
}

TEST_F(Qcow2ImageTest, WhoseBackingFileWasChangedBehindItsBack) {
  config_.format = DiskFormat::kQcow2;
  const TemporaryFile base(16U << 20U);
  const std::string middle = scratch_.File("middle.qcow2");
  ASSERT_TRUE(
      RunTool("qemu-img", {"create", "-q", "-f", "qcow2", "-b", base.path(), "-F", "raw", middle})
          .succeeded());
  Make({"-b", middle, "-F", "qcow2"}, "");
  Open();
  Close();
  const auto written = std::filesystem::last_write_time(config_.path);
  std::filesystem::last_write_time(middle, written + std::chrono::seconds(1));
  EXPECT_THAT(RefusalOf(config_), HasSubstr("the backing file '" + middle +
                                            "' was changed after its overlay '" + config_.path));
  // The one below it is looked at as well, and who knows that they fit says so.
  std::filesystem::last_write_time(middle, written);
  std::filesystem::last_write_time(base.path(), written + std::chrono::seconds(1));
  EXPECT_THAT(RefusalOf(config_), HasSubstr("the backing file '" + base.path() + "' was changed"));
  std::filesystem::last_write_time(middle, written + std::chrono::seconds(2));
  std::filesystem::last_write_time(config_.path, written + std::chrono::seconds(2));
  Open();
}

TEST_F(Qcow2ImageTest, IsItsOwnBackingFile) {
  config_.format = DiskFormat::kQcow2;
  Make({});
  const std::string other = scratch_.File("other.qcow2");
  ASSERT_TRUE(RunTool("qemu-img", {"create", "-q", "-f", "qcow2", "-u", "-b", config_.path, "-F",
                                   "qcow2", other, "16M"})
                  .succeeded());
  ASSERT_TRUE(
      RunTool("qemu-img", {"rebase", "-u", "-b", other, "-F", "qcow2", config_.path}).succeeded());
  EXPECT_THAT(RefusalOf(config_), HasSubstr("is its own backing file"));
}

TEST_F(Qcow2ImageTest, WithoutTheProgramsForIt) {
  Make({});
  const std::string path = std::getenv("PATH");
  setenv("PATH", "/nonexistent", 1);
  EXPECT_THAT(RefusalOf(config_), HasSubstr("install Debian's package qemu-utils"));
  setenv("PATH", path.c_str(), 1);
}

TEST_F(Qcow2ImageTest, SaysHowToRepairADamagedOne) {
  Make({});
  const auto patch = [this](std::streamoff place, std::string_view bytes) {
    std::fstream file(config_.path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(place);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  };
  patch(79, "\x02");  // the image says so itself
  EXPECT_THAT(RefusalOf(config_), HasSubstr("is damaged: "));
  EXPECT_THAT(RefusalOf(config_),
              HasSubstr("qemu-img check -f qcow2 -r all '" + config_.path + "'"));
  ASSERT_TRUE(RunTool("qemu-img", {"check", "-f", "qcow2", "-r", "all", config_.path}).succeeded());
  Open();
  Close();
  patch(46, "\x12\x34");  // where its first table is
  EXPECT_THAT(RefusalOf(config_), HasSubstr("is damaged: "));
}

// The image of a Veneer that was killed can be opened again: the server has gone with it.
TEST_F(Qcow2ImageTest, IsLetGoWhenVeneerIsKilled) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  // The death test is this program anew, and makes a folder of its own; it has our environment.
  constexpr const char* kVariable = "VENEER_TEST_IMAGE";
  if (const char* const image = std::getenv(kVariable)) {
    config_.path = image;
    std::filesystem::remove_all(scratch_.path());
  } else {
    Make({});
    setenv(kVariable, config_.path.c_str(), 1);
  }
  EXPECT_EXIT(
      {
        Open();
        static_cast<void>(Write(*channel_, 0, Pattern(4096, 4)));
        raise(SIGKILL);
      },
      ::testing::KilledBySignal(SIGKILL), "");
  unsetenv(kVariable);
  // Its qemu-nbd lets go of it a moment after.
  ASSERT_TRUE(testing::Eventually([&] {
    if (auto image = OpenDiskImage(config_)) {
      image_ = std::move(*image);
    }
    return image_ != nullptr;
  })) << "somebody still has it";
  EXPECT_EQ(Read(*ChannelOf(*image_), 0, 4096), Pattern(4096, 4));
}

}  // namespace
}  // namespace veneer
