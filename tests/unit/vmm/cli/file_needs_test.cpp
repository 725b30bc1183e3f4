#include "src/vmm/cli/file_needs.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/scratch_directory.h"

namespace veneer {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::SizeIs;

MATCHER_P2(Leaves, path, use, "") { return arg.path == path && arg.use == use; }

class FileNeedsTest : public ::testing::Test {
 protected:
  std::vector<AllowedFile> Needed(const std::string& control = {}) const {
    const auto files = FilesNeeded(options_, control, {});
    EXPECT_TRUE(files.has_value()) << files.error().message;
    return files.value_or(std::vector<AllowedFile>());
  }
  DiskConfig& AddDisk(const std::string& path, DiskFormat format) {
    DiskConfig& disk = options_.machine.disks.emplace_back();
    disk.path = path;
    disk.format = format;
    return disk;
  }
  const test::ScratchDirectory scratch_;
  const std::string folder_ = std::filesystem::canonical(scratch_.path());
  RunOptions options_;
};

TEST_F(FileNeedsTest, NothingIsNeededOfNothing) {
  options_.control_socket = kNoControlSocket;
  EXPECT_THAT(Needed(), SizeIs(0));
}

TEST_F(FileNeedsTest, WhatIsReadAtBootsIsOnlyRead) {
  options_.machine.kernel = "/k/bzImage";
  options_.machine.initrds = {"/k/one", "/k/two"};
  AddDisk("/d/raw", DiskFormat::kRaw);
  AddDisk("/d/iso", DiskFormat::kRaw).readonly = true;
  const auto files = Needed();
  for (const char* path : {"/k/bzImage", "/k/one", "/k/two", "/d/iso"}) {
    EXPECT_THAT(files, Contains(Leaves(path, FileUse::kRead)));
  }
  EXPECT_THAT(files, Contains(Leaves("/d/raw", FileUse::kWrite)));
  EXPECT_THAT(files, SizeIs(5)) << "no folder of theirs";
}

TEST_F(FileNeedsTest, ImagesOfQemusHaveAFolderForTemporaryFiles) {
  DiskConfig& disk = AddDisk("/d/disk", DiskFormat::kRaw);
  EXPECT_FALSE(NeedsTemporaryFiles(options_));
  disk.overlay = true;
  EXPECT_TRUE(NeedsTemporaryFiles(options_));
  EXPECT_THAT(Needed(), Contains(Leaves("/d/disk", FileUse::kRead)));
  disk.overlay = false;
  disk.format = DiskFormat::kQcow2;
  EXPECT_TRUE(NeedsTemporaryFiles(options_));
  options_.machine.disks.clear();
  options_.disk_folders = {folder_};
  EXPECT_TRUE(NeedsTemporaryFiles(options_)) << "one may come";
}

TEST_F(FileNeedsTest, TheFolderForTemporaryFilesIsItsOwnAndGoes) {
  const char* const before = std::getenv("TMPDIR");
  setenv("TMPDIR", scratch_.path().c_str(), 1);
  std::string path;
  {
    const auto temporary = TemporaryFolder::Make();
    ASSERT_TRUE(temporary.has_value()) << temporary.error().message;
    path = (*temporary)->path();
    EXPECT_EQ(std::filesystem::temp_directory_path(), path);
    struct stat status {};
    ASSERT_EQ(stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0700U);
    const auto files = FilesNeeded(options_, {}, path);
    ASSERT_TRUE(files.has_value());
    EXPECT_THAT(*files, Contains(Leaves(path, FileUse::kTemporary)));
    EXPECT_THAT(*files, Contains(Leaves(scratch_.path(), FileUse::kEmptyFolders)));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_EQ(std::filesystem::temp_directory_path(), scratch_.path());
  before != nullptr ? setenv("TMPDIR", before, 1) : unsetenv("TMPDIR");
}

TEST_F(FileNeedsTest, WhatIsWrittenLaterIsThereFromTheStart) {
  options_.metrics_file = scratch_.File("metrics.json");
  options_.machine.nics.emplace_back().pcap = scratch_.File("net.pcap");
  const auto files = Needed();
  for (const char* name : {"metrics.json", "net.pcap"}) {
    EXPECT_THAT(files, Contains(Leaves(scratch_.File(name), FileUse::kWrite)));
    struct stat status {};
    ASSERT_EQ(stat(scratch_.File(name).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
  }
  // What is there stays as it is.
  std::ofstream(options_.metrics_file) << "old";
  Needed();
  EXPECT_EQ(std::filesystem::file_size(options_.metrics_file), 3U);
  options_.metrics_file = scratch_.File("none/metrics.json");
  const auto refused = FilesNeeded(options_, {}, {});
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("--metrics"));
}

TEST_F(FileNeedsTest, FilesThatAreNotThereYetMayHaveRelativeNames) {
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder_);
  options_.machine.nics.emplace_back().pcap = "new.pcap";
  options_.machine.nics.back().pcap_max_bytes = 1U << 20U;
  options_.machine.xen.xenstore_socket = "xs";
  const auto files = Needed("control");
  EXPECT_THAT(files, Contains(Leaves(folder_, FileUse::kReplace)));
  EXPECT_THAT(files, Contains(Leaves(folder_, FileUse::kSockets)).Times(2));
  std::filesystem::current_path(before);
}

TEST_F(FileNeedsTest, FoldersAreLeftForWhatIsMadeAnew) {
  options_.machine.serial = {CharacterTarget::Kind::kFile, scratch_.File("serial"), 0};
  EXPECT_THAT(Needed(), SizeIs(0)) << "it is open";
  options_.machine.serial.max_bytes = 1U << 20U;
  EXPECT_THAT(Needed(), Contains(Leaves(folder_, FileUse::kReplace)));
  options_.machine.serial.max_bytes = 0;
  EXPECT_THAT(Needed(), SizeIs(0));
  options_.machine.nics.emplace_back().pcap = scratch_.File("pcap");
  options_.machine.nics.back().pcap_max_bytes = 1U << 20U;
  EXPECT_THAT(Needed(), Contains(Leaves(folder_, FileUse::kReplace)));
  options_.machine.nics.clear();
  options_.machine.xen.xenstore_socket = scratch_.File("xs");
  EXPECT_THAT(Needed("/run/veneer/web.sock"), Contains(Leaves(folder_, FileUse::kSockets)));
  EXPECT_THAT(Needed("/run/veneer/web.sock"),
              Contains(Leaves(std::string("/run/veneer"), FileUse::kSockets)));
  options_.disk_folders = {folder_};
  EXPECT_THAT(Needed(), Contains(Leaves(folder_, FileUse::kWrite)));
  options_.disk_folders = {folder_ + "/none"};
  EXPECT_FALSE(FilesNeeded(options_, {}, {}));
}

TEST_F(FileNeedsTest, OutsideTheSandboxNothingIsKeptBack) {
  std::ofstream(scratch_.File("disk")) << "content";
  const DiskConfig& disk = AddDisk(scratch_.File("disk"), DiskFormat::kRaw);
  EXPECT_EQ(OutsideSandbox(disk), "");
  EXPECT_EQ(ReplacedFile(options_), "");
}

}  // namespace
}  // namespace veneer
