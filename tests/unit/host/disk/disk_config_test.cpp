// --disk: every key, and a plain sentence for everything that is wrong.

#include "veneer/host/disk/disk_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace veneer {
namespace {

using ::testing::HasSubstr;

TEST(ParseDisk, OnlyAPath) {
  const auto config = ParseDisk("path=/tmp/a.img");
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->path, "/tmp/a.img");
  EXPECT_EQ(config->vdev, "");
  EXPECT_FALSE(config->readonly);
  EXPECT_FALSE(config->direct);
  EXPECT_EQ(config->cache, DiskCache::kWriteback);
  EXPECT_EQ(config->queues, 1U);
  EXPECT_TRUE(config->discard);
  EXPECT_EQ(config->bytes_per_second, 0U);
}

TEST(ParseDisk, EveryKey) {
  const auto config = ParseDisk(
      "path=a,,b.img,format=raw,vdev=xvdc,readonly=on,direct=on,cache=unsafe,queues=4,discard=off,"
      "serial=S-1,bps=10M,iops=500,poll=0");
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_EQ(config->path, "a,b.img");
  EXPECT_EQ(config->format, DiskFormat::kRaw);
  EXPECT_EQ(config->vdev, "xvdc");
  EXPECT_TRUE(config->readonly);
  EXPECT_TRUE(config->direct);
  EXPECT_EQ(config->cache, DiskCache::kUnsafe);
  EXPECT_EQ(config->queues, 4U);
  EXPECT_FALSE(config->discard);
  EXPECT_EQ(config->serial, "S-1");
  EXPECT_EQ(config->bytes_per_second, std::uint64_t{10} << 20U);
  EXPECT_EQ(config->requests_per_second, 500U);
  EXPECT_EQ(config->poll_us, 0U);
}

TEST(ParseDisk, Formats) {
  EXPECT_EQ(ParseDisk("path=a,format=qcow2")->format, DiskFormat::kQcow2);
  EXPECT_EQ(ParseDisk("path=a,format=auto")->format, DiskFormat::kAuto);
  EXPECT_EQ(ParseDisk("path=nbd://host:10809/a,,b")->path, "nbd://host:10809/a,b");
}

TEST(ParseDisk, WhatIsDoneAboutErrors) {
  EXPECT_EQ(ParseDisk("path=a")->on_error, DiskOnError::kReport);
  EXPECT_EQ(ParseDisk("path=a,on-error=pause")->on_error, DiskOnError::kPause);
  EXPECT_EQ(ParseDisk("path=a,on-error=stop,bus=ide")->on_error, DiskOnError::kStop);
  EXPECT_EQ(ParseDisk("path=a,on-error=enospc").error().message,
            "on-error=enospc is not one of report, pause and stop");
}

TEST(ParseDisk, SectorSizes) {
  EXPECT_EQ(ParseDisk("path=a")->logical_block_bytes, 0U);
  EXPECT_EQ(ParseDisk("path=a,logical-block-size=4096")->logical_block_bytes, 4096U);
  EXPECT_THAT(ParseDisk("path=a,logical-block-size=4k").error().message,
              HasSubstr("is neither 512 nor 4096"));
  EXPECT_THAT(ParseDisk("path=a,bus=ide,logical-block-size=512").error().message,
              HasSubstr("the key logical-block-size is for PV disks"));
  EXPECT_THAT(ParseDisk("path=a,bus=both,logical-block-size=4096").error().message,
              HasSubstr("an IDE disk has sectors of 512 bytes"));
}

TEST(ParseDisk, Buses) {
  EXPECT_EQ(ParseDisk("path=a")->bus, DiskBus::kPv);
  EXPECT_EQ(ParseDisk("path=a,bus=pv")->bus, DiskBus::kPv);
  EXPECT_EQ(ParseDisk("path=a,bus=ide")->bus, DiskBus::kIde);
  EXPECT_EQ(ParseDisk("path=a,bus=both,vdev=xvdb")->bus, DiskBus::kBoth);
  EXPECT_EQ(ParseDisk("path=a,bus=scsi").error().message,
            "bus=scsi is not one of pv, ide and both");
  EXPECT_THAT(ParseDisk("path=a,bus=ide,vdev=xvda").error().message,
              HasSubstr("the key vdev is for PV disks"));
}

TEST(ParseDisk, Cdroms) {
  const auto config = ParseDisk("path=a,media=cdrom");
  ASSERT_TRUE(config.has_value());
  EXPECT_TRUE(config->cdrom);
  EXPECT_TRUE(config->readonly);
  EXPECT_EQ(config->bus, DiskBus::kIde);
  EXPECT_FALSE(ParseDisk("path=a,media=disk")->cdrom);
  EXPECT_THAT(ParseDisk("path=a,media=cdrom,bus=both").error().message, HasSubstr("leave out bus"));
  EXPECT_THAT(ParseDisk("media=cdrom,path=a,readonly=off").error().message,
              HasSubstr("contradict each other"));
  EXPECT_THAT(ParseDisk("path=a,media=tape").error().message, HasSubstr("neither disk nor cdrom"));
}

TEST(NamePvDisks, GivesTheFirstFreeNameInTurn) {
  std::vector<DiskConfig> disks(4);
  disks[0].vdev = "xvdb";
  disks[2].bus = DiskBus::kIde;
  NamePvDisks(disks);
  EXPECT_EQ(disks[1].vdev, "xvda");
  EXPECT_EQ(disks[2].vdev, "");
  EXPECT_EQ(disks[3].vdev, "xvdc");
}

TEST(ParseDisk, CacheNoneIsDirect) {
  EXPECT_TRUE(ParseDisk("path=a,cache=none")->direct);
  EXPECT_EQ(ParseDisk("cache=none,direct=off,path=a").error().message,
            "cache=none and direct=off contradict each other");
}

TEST(ParseDisk, NamesWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "there is no key ''"},
      {"/tmp/a.img", "there is no key '/tmp/a.img'; the keys are path, format, bus"},
      {"readonly=on", "the key path is missing; write path=FILE"},
      {"path=", "the key path is missing"},
      {"path=a,,", "OK"},
      {"path=a,", "there is no key ''"},
      {"path=a,size=3", "there is no key 'size'"},
      {"path=a,readonly", "the key readonly has no value; write readonly=VALUE"},
      {"path=a,readonly=yes", "readonly=yes is neither on nor off"},
      {"path=a,path=b", "the key path is given twice"},
      {"path=a,vdev=sda", "vdev=sda is not a name such as xvda"},
      {"path=a,cache=writethrough", "cache=writethrough is not one of"},
      {"path=a,format=vmdx",
       "format=vmdx is not one of raw, qcow2, qcow, qed, vmdk, vdi, vhdx, vpc, parallels, bochs, "
       "cloop, dmg and auto"},
      {"path=a,queues=0", "queues=0 is not a whole number from 1 to 16"},
      {"path=a,queues=17", "queues=17 is not"},
      {"path=a,queues=2x", "queues=2x is not"},
      {"path=a,bps=0", "bps=0 is not a number above 0"},
      {"path=a,bps=M", "bps=M is not"},
      {"path=a,bps=99999999999999T", "is not a number"},
      {"path=a,iops=-1", "iops=-1 is not"},
      {"path=a,poll=1001", "poll=1001 is not a whole number from 0 to 1000"},
      {"path=a,serial=", "serial needs 1 to 64 characters"}};
  for (const auto& [text, message] : cases) {
    const auto config = ParseDisk(text);
    if (std::string_view(message) == "OK") {
      EXPECT_TRUE(config.has_value()) << text;
      continue;
    }
    ASSERT_FALSE(config.has_value()) << text;
    EXPECT_EQ(config.error().kind, ErrorKind::kUsage);
    EXPECT_THAT(config.error().message, HasSubstr(message)) << text;
  }
}

TEST(VirtualDevice, NumbersAndNames) {
  EXPECT_EQ(VirtualDeviceNumber("xvda"), 51712U);
  EXPECT_EQ(VirtualDeviceNumber("xvdb"), 51728U);
  EXPECT_EQ(VirtualDeviceNumber("xvdp"), 51952U);
  EXPECT_EQ(VirtualDeviceNumber("xvdq"), (1U << 28U | 16U << 8U));
  EXPECT_EQ(VirtualDeviceNumber("xvdaa"), (1U << 28U | 26U << 8U));
  for (const char* bad : {"", "xvd", "xvdA", "xvda1", "sda", "xvdaaa", "xvd-"}) {
    EXPECT_EQ(VirtualDeviceNumber(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(VirtualDeviceName(0), "xvda");
  EXPECT_EQ(VirtualDeviceName(25), "xvdz");
  EXPECT_EQ(VirtualDeviceName(26), "xvdaa");
  EXPECT_EQ(VirtualDeviceName(701), "xvdzz");
}

}  // namespace
}  // namespace veneer
