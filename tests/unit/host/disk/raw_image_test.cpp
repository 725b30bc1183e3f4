// Opening raw images: what is refused, and in which words.

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cstdio>
#include <cstdlib>
#include <iterator>

#include <gmock/gmock.h>

#include "support/temporary_file.h"
#include "veneer/host/disk/disk_image.h"
#include "veneer/vmm/base/check.h"

namespace veneer {
namespace {

using ::testing::HasSubstr;

Result<std::unique_ptr<DiskImage>> Open(const std::string& path, bool readonly = false) {
  DiskConfig config;
  config.path = path;
  config.readonly = readonly;
  return OpenDiskImage(config);
}

std::string Refusal(const std::string& path, bool readonly = false) {
  const auto image = Open(path, readonly);
  EXPECT_FALSE(image.has_value());
  if (image) {
    return "";
  }
  EXPECT_EQ(image.error().kind, ErrorKind::kUsage);
  return image.error().message;
}

TEST(RawImage, Facts) {
  const TemporaryFile file((1U << 20U) + 700);
  const auto image = Open(file.path());
  ASSERT_TRUE(image.has_value());
  EXPECT_EQ((*image)->facts().bytes, (1U << 20U) + 512) << "whole sectors";
  EXPECT_EQ((*image)->facts().physical_sector, 4096U);
  EXPECT_FALSE((*image)->facts().readonly);
  ASSERT_EQ(ftruncate(file.fd(), 4096), 0);
  EXPECT_TRUE((*image)->Refresh().has_value());
  EXPECT_EQ((*image)->facts().bytes, 4096U);
}

TEST(RawImage, WhatIsNoDisk) {
  EXPECT_THAT(Refusal("/nonexistent/disk"), HasSubstr("'/nonexistent/disk'"));
  EXPECT_THAT(Refusal(::testing::TempDir()), HasSubstr("cannot open disk"));
  EXPECT_THAT(Refusal("/dev/null"), HasSubstr("neither a file nor a block device"));
  const TemporaryFile empty(0);
  EXPECT_THAT(Refusal(empty.path()), HasSubstr("is empty; give it a size first"));
  const TemporaryFile tiny(100);
  EXPECT_THAT(Refusal(tiny.path()), HasSubstr("has 100 bytes, less than one sector; give it"));
}

TEST(RawImage, AQcow2ImageIsNotTakenForARawOneUnlessToldSo) {
  const TemporaryFile file(1U << 20U);
  file.Write(0, {std::byte{'Q'}, std::byte{'F'}, std::byte{'I'}, std::byte{0xfb}});
  EXPECT_THAT(Refusal(file.path()), HasSubstr("is no qcow2 image that can be used"));
  DiskConfig config;
  config.path = file.path();
  config.format = DiskFormat::kRaw;
  EXPECT_TRUE(OpenDiskImage(config).has_value());
}

// As a container's seccomp filter, or kernel.io_uring_disabled.
void ForbidRings() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{std::size(filter), filter};
  VENEER_CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  VENEER_CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

TEST(RawImageDeathTest, AHostWithoutIoUringIsNamedAtTheStart) {
  const TemporaryFile file(1U << 20U);
  const auto open = [&] {
    ForbidRings();
    const auto image = Open(file.path());
    std::fputs(image ? "opened" : image.error().message.c_str(), stderr);
    std::_Exit(0);
  };
  EXPECT_EXIT(open(), ::testing::ExitedWithCode(0), "io_uring_disabled");
}

TEST(RawImage, OneWriterOrManyReaders) {
  const TemporaryFile file(1U << 20U);
  {
    const auto writer = Open(file.path());
    ASSERT_TRUE(writer.has_value());
    EXPECT_THAT(Refusal(file.path()), HasSubstr("in use by another disk or program"));
    EXPECT_THAT(Refusal(file.path(), true), HasSubstr("which writes it"));
  }
  const auto reader = Open(file.path(), true);
  const auto another = Open(file.path(), true);
  EXPECT_TRUE(reader.has_value() && another.has_value());
  EXPECT_THAT(Refusal(file.path()), HasSubstr("in use"));
}

}  // namespace
}  // namespace veneer
