#include "src/vmm/cli/distinct_files.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/scratch_directory.h"

namespace veneer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class DistinctFilesTest : public ::testing::Test {
 protected:
  DistinctFilesTest() {
    std::ofstream(image_) << "image";
    options_.machine.kernel = scratch_.File("kernel");
    options_.machine.disks.emplace_back().path = image_;
  }
  std::string Refusal() const {
    const Result<void> checked = CheckDistinctFiles(options_);
    return checked ? "(accepted)" : checked.error().message;
  }

  const test::ScratchDirectory scratch_;
  const std::string image_ = scratch_.File("disk.img");
  RunOptions options_;
};

TEST_F(DistinctFilesTest, WhatIsWrittenIsNoFileOfCloudInits) {
  options_.seed.user_data = scratch_.File("user");
  options_.seed.ssh_key = scratch_.File("key");
  options_.log_file = scratch_.File("user");
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("--log-file"), HasSubstr("--cloud-init")));
  options_.log_file = scratch_.File("key");
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("--log-file"), HasSubstr("--ssh-key")));
}

TEST_F(DistinctFilesTest, WhatIsWrittenIsNoDisk) {
  EXPECT_EQ(Refusal(), "(accepted)");
  options_.machine.serial.path = image_;
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("--serial"), HasSubstr(image_), HasSubstr("a disk")));
  options_.machine.serial.path = scratch_.File("link");
  std::filesystem::create_symlink(image_, options_.machine.serial.path);
  EXPECT_THAT(Refusal(), HasSubstr("--serial"));
  options_.machine.serial.path.clear();
  options_.metrics_file = image_;
  EXPECT_THAT(Refusal(), HasSubstr("--metrics"));
}

TEST_F(DistinctFilesTest, ANewFileMayBeNamedInTwoWays) {
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(scratch_.path());
  options_.log_file = "log";
  options_.machine.xen.console.path = scratch_.File("log");
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("--console"), HasSubstr("--log-file")));
  std::filesystem::current_path(before);
}

TEST_F(DistinctFilesTest, NorIsAFileWrittenTwice) {
  options_.log_file = scratch_.File("log");
  options_.machine.xen.console.path = scratch_.path() + "/./log";
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("--console"), HasSubstr("--log-file")));
  options_.machine.xen.console.path = "/dev/null";
  options_.log_file = "/dev/null";
  EXPECT_EQ(Refusal(), "(accepted)") << "a device takes what several write";
}

TEST_F(DistinctFilesTest, OneImageMayBeTwoDisks) {
  options_.machine.disks.emplace_back().path = image_;
  EXPECT_EQ(Refusal(), "(accepted)");  // its locks decide
}

}  // namespace
}  // namespace veneer
