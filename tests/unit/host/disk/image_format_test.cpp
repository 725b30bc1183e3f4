// Which format a file is in, who may decide that, and what becomes of the others.

#include "src/host/disk/image_format.h"

#include <sys/stat.h>

#include <fstream>

#include <gmock/gmock.h>

#include "image_io.h"
#include "support/scratch_directory.h"
#include "support/temporary_file.h"

namespace veneer {
namespace {

using ::testing::HasSubstr;
using std::string_literals::operator""s;

std::vector<std::byte> Sector(const std::string& start, std::size_t at = 0) {
  std::vector<std::byte> sector(512);
  const auto bytes = std::as_bytes(std::span(start));
  std::copy(bytes.begin(), bytes.end(), sector.begin() + static_cast<std::ptrdiff_t>(at));
  return sector;
}

std::string KeyOf(const std::vector<std::byte>& start) {
  const ImageFormat* const format = FindImageFormat(start);
  return format != nullptr ? std::string(format->key) : "raw";
}

TEST(ImageFormat, ByMagicNumbers) {
  EXPECT_EQ(KeyOf({}), "raw");
  EXPECT_EQ(KeyOf(std::vector<std::byte>(512)), "raw");
  EXPECT_EQ(KeyOf(Sector("QFI\xfb\0\0\0\1"s)), "qcow");
  EXPECT_EQ(KeyOf(Sector("QFI\xfb\0\0\0\2"s)), "qcow2");
  EXPECT_EQ(KeyOf(Sector("QFI\xfb\0\0\0\3"s)), "qcow2");
  EXPECT_EQ(KeyOf(Sector("QED\0"s)), "qed");
  EXPECT_EQ(KeyOf(Sector("KDMV")), "vmdk");
  EXPECT_EQ(KeyOf(Sector("COWD")), "vmdk");
  EXPECT_EQ(KeyOf(Sector("\x7f\x10\xda\xbe", 64)), "vdi");
  EXPECT_EQ(KeyOf(Sector("\x7f\x10\xda\xbe")), "raw");
  EXPECT_EQ(KeyOf(Sector("vhdxfile")), "vhdx");
  EXPECT_EQ(KeyOf(Sector("conectix")), "vpc");
  EXPECT_EQ(KeyOf(Sector("WithouFreSpacExt")), "parallels");
  EXPECT_EQ(KeyOf(Sector("Bochs Virtual HD Image")), "bochs");
  EXPECT_EQ(KeyOf(Sector("#!/bin/sh\n#V2.0 Format\nmodprobe cloop")), "cloop");
  EXPECT_EQ(KeyOf(Sector("LUKS\xba\xbe")), "luks");
}

TEST(ImageFormat, DescriptionsOfVmdkImages) {
  EXPECT_EQ(KeyOf(Sector("# Disk DescriptorFile\nversion=1\nCID=1\n")), "vmdk");
  EXPECT_EQ(KeyOf(Sector("# Disk DescriptorFile\r\n \r\n\nversion=3\r\n")), "vmdk");
  EXPECT_EQ(KeyOf(Sector("version=4\n")), "raw");
  EXPECT_EQ(KeyOf(Sector("version=1")), "raw");
  EXPECT_EQ(KeyOf(Sector("#!/bin/sh\necho version=1\n")), "raw");
  EXPECT_EQ(KeyOf(Sector(std::string(512, '#'))), "raw");
  EXPECT_EQ(KeyOf(Sector(std::string(512, '\n'))), "raw");
}

class OtherFormats : public ::testing::TestWithParam<const char*> {
 protected:
  const test::ScratchDirectory scratch_;
};

TEST_P(OtherFormats, AreNotTakenForRawDisks) {
  const std::string key = GetParam();
  DiskConfig config;
  config.path = scratch_.File("disk");
  const auto made = RunTool("qemu-img", {"create", "-q", "-f", key, config.path, "16M"});
  ASSERT_TRUE(made.succeeded()) << made.complaint;
  EXPECT_THAT(RefusalOf(config), HasSubstr("write format=" + key + " to use it as such"));
  EXPECT_THAT(RefusalOf(config), HasSubstr("or format=raw if"));
  config.format = DiskFormat::kRaw;
  EXPECT_TRUE(OpenDiskImage(config).has_value());
}

TEST_P(OtherFormats, AreReadAndWrittenIfTheUserSaysSo) {
  const std::string key = GetParam();
  const std::string path = scratch_.File("disk");
  const auto made = RunTool("qemu-img", {"create", "-q", "-f", key, path, "16M"});
  ASSERT_TRUE(made.succeeded()) << made.complaint;
  const auto config = ParseDisk("path=" + path + ",format=" + key);
  ASSERT_TRUE(config.has_value()) << config.error().message;
  std::unique_ptr<DiskImage> image;
  std::unique_ptr<DiskChannel> channel;
  ASSERT_NO_FATAL_FAILURE(OpenBoth(*config, image, channel));
  EXPECT_GE(image->facts().bytes, 16U << 20U);
  EXPECT_EQ(Write(*channel, 65536, Pattern(8192, 1)), 0);
  EXPECT_EQ(Flush(*channel), 0);
  channel.reset();
  image.reset();
  ASSERT_NO_FATAL_FAILURE(OpenBoth(*config, image, channel));
  EXPECT_EQ(Read(*channel, 65536, 8192), Pattern(8192, 1));
}

INSTANTIATE_TEST_SUITE_P(Of, OtherFormats,
                         ::testing::Values("vhdx", "vmdk", "vdi", "vpc", "qed", "qcow",
                                           "parallels"));

TEST(ImageFormat, WhatCanOnlyBeReadOrNotAtAll) {
  const TemporaryFile file(1U << 20U);
  DiskConfig config;
  config.path = file.path();
  file.Write(0, Sector("LUKS\xba\xbe"));
  EXPECT_THAT(RefusalOf(config), HasSubstr("looks like an encrypted (LUKS) volume; write format="
                                           "raw to give the guest the encrypted bytes"));
  file.Write(0, Sector("Bochs Virtual HD Image"));
  EXPECT_THAT(RefusalOf(config), HasSubstr("write format=bochs,readonly=on to read it"));
  config.format = DiskFormat::kBochs;
  EXPECT_THAT(RefusalOf(config), HasSubstr("a Bochs image can only be read; write readonly=on"));
}

TEST(ImageFormat, ADmgImageIsKnownByItsEnd) {
  const test::ScratchDirectory scratch;
  DiskConfig config;
  config.path = scratch.File("a.dmg");
  std::ofstream(config.path) << std::string(4096, 'a') << "koly" << std::string(508, 'b');
  EXPECT_THAT(RefusalOf(config), HasSubstr("write format=dmg,readonly=on"));
}

TEST(ImageFormat, WhatTheUserSaysIsLookedAt) {
  const TemporaryFile file(1U << 20U);
  const auto config = ParseDisk("path=" + file.path() + ",format=vmdk");
  EXPECT_THAT(RefusalOf(*config), HasSubstr("is not a VMDK image; leave out format=vmdk"));
}

// A guest with the disk of the first life must not choose what its disk is in the next.
TEST(DecideDiskFormat, OnceAndForAll) {
  const TemporaryFile file(1U << 20U);
  DiskConfig config;
  config.path = file.path();
  ASSERT_TRUE(DecideDiskFormat(config).has_value());
  EXPECT_EQ(config.format, DiskFormat::kRaw);
  EXPECT_TRUE(config.probed);
  ASSERT_TRUE(RunTool("qemu-img", {"create", "-q", "-f", "qcow2", file.path(), "8T"}).succeeded());
  ASSERT_TRUE(DecideDiskFormat(config).has_value());
  const auto image = OpenDiskImage(config);
  ASSERT_TRUE(image.has_value()) << image.error().message;
  EXPECT_LE((*image)->facts().bytes, 1U << 20U) << "8 TiB after the guest's will";
}

TEST(DecideDiskFormat, AQcow2ImageThatWasFoundStillMayHaveNoBackingFile) {
  const test::ScratchDirectory scratch;
  const TemporaryFile base(1U << 20U);
  DiskConfig config;
  config.path = scratch.File("disk");
  ASSERT_TRUE(RunTool("qemu-img",
                      {"create", "-q", "-f", "qcow2", "-b", base.path(), "-F", "raw", config.path})
                  .succeeded());
  ASSERT_TRUE(DecideDiskFormat(config).has_value());
  EXPECT_EQ(config.format, DiskFormat::kQcow2);
  EXPECT_THAT(RefusalOf(config), HasSubstr("write format=qcow2 if you made it"));
}

TEST(DecideDiskFormat, LeavesAloneWhatIsSaid) {
  DiskConfig config;
  config.path = "/nonexistent";
  config.format = DiskFormat::kRaw;
  EXPECT_TRUE(DecideDiskFormat(config).has_value());
  EXPECT_FALSE(config.probed);
  config.path = "nbd://host/";
  config.format = DiskFormat::kAuto;
  EXPECT_TRUE(DecideDiskFormat(config).has_value());
  EXPECT_FALSE(config.probed);
}

class FirstSector : public ::testing::Test {
 protected:
  void Open(const std::string& keys = "") {
    const auto config = ParseDisk("path=" + file_.path() + keys);
    ASSERT_TRUE(config.has_value()) << config.error().message;
    OpenBoth(*config, image_, channel_);
  }

  const TemporaryFile file_{1U << 20U};
  std::unique_ptr<DiskImage> image_;
  std::unique_ptr<DiskChannel> channel_;
};

TEST_F(FirstSector, TakesNoHeaderOfAnImageFormat) {
  ASSERT_NO_FATAL_FAILURE(Open());
  const auto before = Pattern(4096, 1);
  ASSERT_EQ(Write(*channel_, 0, before), 0);
  for (const std::string magic : {"QFI\xfb", "vhdxfile", "KDMV", "LUKS\xba\xbe"}) {
    EXPECT_EQ(Write(*channel_, 0, Sector(magic)), EPERM) << magic;
    auto longer = Sector(magic);
    longer.resize(12288);
    EXPECT_EQ(Write(*channel_, 0, longer), EPERM) << magic;
    EXPECT_EQ(Write(*channel_, 512, Sector(magic)), 0) << "elsewhere it is data";
    EXPECT_EQ(
        Write(*channel_, 512, std::vector<std::byte>(before.begin() + 512, before.begin() + 1024)),
        0);
  }
  EXPECT_EQ(Read(*channel_, 0, 4096), before);
}

TEST_F(FirstSector, TakesEverythingElse) {
  for (const char* keys : {"", ",direct=on"}) {
    ASSERT_NO_FATAL_FAILURE(Open(keys));
    for (const std::size_t length : {512U, 1024U, 4096U, 4608U, 40960U}) {
      const auto data = Pattern(length, static_cast<unsigned>(length));
      EXPECT_EQ(Write(*channel_, 0, data), 0);
      EXPECT_EQ(Read(*channel_, 0, length), data) << length << keys;
    }
    channel_.reset();
    image_.reset();
  }
}

// A magic number that lies in two buffers, as a guest's two pages.
TEST_F(FirstSector, IsLookedAtAcrossBuffers) {
  ASSERT_NO_FATAL_FAILURE(Open());
  auto first = Sector("QF");
  auto second = Sector("I\xfb");
  DiskOperation operation;
  operation.action = DiskAction::kWrite;
  operation.buffers = {{first.data(), 2}, {second.data(), 510}};
  operation.length = 512;
  EXPECT_EQ(Perform(*channel_, operation), EPERM);
  operation.buffers = {{first.data(), 2}, {second.data() + 2, 510}, {first.data(), 512}};
  operation.length = 1024;
  EXPECT_EQ(Perform(*channel_, operation), 0);
  EXPECT_EQ(Read(*channel_, 0, 1024), [] {
    auto whole = Sector("QF");
    const auto next = Sector("QF");
    whole.insert(whole.end(), next.begin(), next.end());
    return whole;
  }());
}

TEST_F(FirstSector, IsTheGuestsOwnIfTheUserSaysRaw) {
  ASSERT_NO_FATAL_FAILURE(Open(",format=raw"));
  EXPECT_EQ(Write(*channel_, 0, Sector("QFI\xfb")), 0);
  EXPECT_EQ(file_.Read(0, 512), Sector("QFI\xfb"));
}

// Neither opening nor looking at it waits for somebody to write to it.
TEST(ImageFormat, AFifoIsNoDisk) {
  const test::ScratchDirectory scratch;
  DiskConfig config;
  config.path = scratch.File("fifo");
  ASSERT_EQ(mkfifo(config.path.c_str(), 0600), 0);
  for (const bool readonly : {false, true}) {
    config.readonly = readonly;
    EXPECT_THAT(RefusalOf(config), HasSubstr("is neither a file nor a block device"));
  }
}

}  // namespace
}  // namespace veneer
