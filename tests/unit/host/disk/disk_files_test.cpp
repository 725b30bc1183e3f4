// The files that a disk is made of.
#include "veneer/host/disk/disk_files.h"

#include <gmock/gmock.h>

#include "image_io.h"
#include "support/scratch_directory.h"

namespace veneer {
namespace {

using ::testing::ElementsAre;

class DiskFilesTest : public ::testing::Test {
 protected:
  void Make(const std::string& name, std::vector<std::string> options) {
    options.insert(options.begin(), {"create", "-q", "-f", "qcow2"});
    options.push_back(scratch_.File(name));
    options.emplace_back("1M");
    const auto made = RunTool("qemu-img", options);
    ASSERT_TRUE(made.succeeded()) << made.complaint;
  }
  static std::vector<std::string> Paths(const DiskConfig& config) {
    std::vector<std::string> paths;
    for (const DiskFile& file : FilesOfDisk(config)) {
      paths.push_back((file.written ? "written " : "read ") + file.path);
    }
    return paths;
  }
  DiskConfig Qcow2(const std::string& name) const {
    DiskConfig config;
    config.path = scratch_.File(name);
    config.format = DiskFormat::kQcow2;
    return config;
  }
  const test::ScratchDirectory scratch_;
};

TEST_F(DiskFilesTest, OfARawOneIsItself) {
  DiskConfig config;
  config.path = "disk.img";
  config.format = DiskFormat::kRaw;
  EXPECT_THAT(Paths(config), ElementsAre("written disk.img"));
  EXPECT_FALSE(IsServedByQemu(config));
  config.readonly = true;
  EXPECT_THAT(Paths(config), ElementsAre("read disk.img"));
  config.readonly = false;
  config.overlay = true;
  EXPECT_THAT(Paths(config), ElementsAre("read disk.img"));
  EXPECT_TRUE(IsServedByQemu(config));
}

TEST_F(DiskFilesTest, AChainIsFollowedToItsRawBase) {
  Make("base.img", {});  // its header is no matter: the next layer calls it raw
  Make("middle", {"-F", "raw", "-b", "base.img"});
  Make("top", {"-F", "qcow2", "-b", scratch_.File("middle")});
  EXPECT_THAT(Paths(Qcow2("top")),
              ElementsAre("written " + scratch_.File("top"), "read " + scratch_.File("middle"),
                          "read " + scratch_.File("base.img")));
}

TEST_F(DiskFilesTest, WhatAGuestHasWrittenToARawBaseNamesNothing) {
  Make("secret", {});
  Make("base.img", {"-F", "qcow2", "-b", scratch_.File("secret")});
  Make("top", {"-F", "raw", "-b", "base.img"});
  EXPECT_THAT(Paths(Qcow2("top")),
              ElementsAre("written " + scratch_.File("top"), "read " + scratch_.File("base.img")));
}

TEST_F(DiskFilesTest, AChainWithoutEndEnds) {
  Make("one", {});
  Make("two", {"-F", "qcow2", "-b", scratch_.File("one")});
  const auto rebased = RunTool("qemu-img", {"rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b",
                                            scratch_.File("two"), scratch_.File("one")});
  ASSERT_TRUE(rebased.succeeded()) << rebased.complaint;
  EXPECT_LE(FilesOfDisk(Qcow2("one")).size(), 256U);
}

TEST_F(DiskFilesTest, OfOtherFormatsIsTheFolder) {
  DiskConfig config;
  config.path = "/vm/disk.vmdk";
  config.format = DiskFormat::kVmdk;
  EXPECT_THAT(Paths(config), ElementsAre("written /vm/disk.vmdk", "written /vm"));
}

}  // namespace
}  // namespace veneer
