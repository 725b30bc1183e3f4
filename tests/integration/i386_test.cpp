// Debian's 32-bit kernels: one that brings its own vmcall, and an older one that has none and calls
// the hypercall page. The older one knows no upcall vector of a vCPU's own, either.
#include <string>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/controlled_guest.h"
#include "integration/host_kind.h"

namespace veneer::test {
namespace {

using ::testing::HasSubstr;

struct Kernel {
  std::string name;
  const char* kernel;  // variables with the paths
  const char* initrd;
  const char* words;      // for its command line
  const char* transport;  // what Veneer says of its hypercalls where it answers them itself
};

// QEMU's emulation lets a guest's XSETBV pass its hypervisor by, whose CPUID then names too small
// an XSAVE area. Newer kernels notice and do without; this one overruns it.
constexpr const char* kOldXsave = "noxsave";

// Kernels that bring their own vmcall, and those that call the hypercall page.
const Kernel kOwnVmcall{"OwnVmcall", "VENEER_TEST_I386_KERNEL", "VENEER_TEST_I386_INITRD", "",
                        "rewrote 2 hypercall sites"};
const Kernel kHypercallPage{"HypercallPage", "VENEER_TEST_I386_PAGE_KERNEL",
                            "VENEER_TEST_I386_PAGE_INITRD", kOldXsave, "rewrote 0 hypercall sites"};

// Kernel, vCPUs.
class I386 : public ::testing::TestWithParam<std::tuple<Kernel, std::string>> {};

TEST_P(I386, UsesDiskAndNetworkOnAllProcessors) {
  const auto& [kernel, cpus] = GetParam();
  if (Setting(kernel.kernel, "").empty()) {
    GTEST_SKIP() << kernel.kernel << " is not set: 32-bit guests are for hosts in a box";
  }
  const ScratchDirectory scratch;
  const std::string image = scratch.File("disk.img");
  MakeImage(image, 32);
  ASSERT_EQ(RunTool({"/usr/sbin/mke2fs", "-q", "-F", image}), 0);
  // The copy is read back from the disk, not from the cache.
  const std::string command =
      "uname -m; echo cpus $(grep -c ^processor /proc/cpuinfo); mount /dev/xvda /mnt && "
      "dd if=/dev/urandom of=/tmp/data bs=64k count=64 2>/dev/null && cp /tmp/data /mnt/data && "
      "umount /mnt && mount /dev/xvda /mnt && cmp /tmp/data /mnt/data && echo data survive; "
      "ifconfig eth0 up; udhcpc -i eth0 -n -q -t 20 >/dev/null 2>&1; ping -c 1 10.0.2.2; "
      "cat /proc/interrupts";
  ChildProcess veneer(RunCommand(
      Needed(kernel.kernel),
      "console=ttyS0 quiet " + std::string(kernel.words) + " veneer.run=\"" + command + "\"",
      {"--initrd", Needed(kernel.initrd), "--cpus", cpus, "--memory", "256M", "--disk",
       "path=" + image, "--net", "user", "--log-level", "debug"}));
  EXPECT_EQ(veneer.WaitForExit(BootLimit()), 0) << veneer.err();
  EXPECT_THAT(veneer.out(), HasSubstr("i686"));
  EXPECT_THAT(veneer.out(), HasSubstr("cpus " + cpus));
  EXPECT_THAT(veneer.out(), HasSubstr("data survive"));
  EXPECT_THAT(veneer.out(), HasSubstr(" 0% packet loss"));
  EXPECT_THAT(veneer.err(), HasSubstr(KvmDeliversEvents() ? "KVM interception" : kernel.transport));
}

std::string NameOf(const ::testing::TestParamInfo<I386::ParamType>& info) {
  return std::get<0>(info.param).name + std::get<1>(info.param);
}

INSTANTIATE_TEST_SUITE_P(Debian, I386,
                         ::testing::Combine(::testing::Values(kOwnVmcall, kHypercallPage),
                                            ::testing::Values("1", "4")),
                         NameOf);
}  // namespace
}  // namespace veneer::test
