// One kernel starts another in the same guest: kexec by the user, and the crash kernel after a
// panic. The new kernel finds its disk and network as at a boot.
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/controlled_guest.h"

namespace veneer::test {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

constexpr int kRounds = 5;

// Runs in every life of the guest, from its disk: uses disk and network, then starts the kernel
// whose number is next, on that disk too.
constexpr char kRoundScript[] = R"sh(
n=$(cat /mnt/count 2>/dev/null || echo 0)
echo "round $n: $(uname -r)"
[ $n = 0 ] || md5sum -c /mnt/sum
dd if=/dev/urandom of=/mnt/data bs=64k count=32 2>/dev/null; sync; md5sum /mnt/data >/mnt/sum
ifconfig eth0 up; udhcpc -i eth0 -n -q >/dev/null 2>&1; ping -c 1 10.0.2.2 | grep 'packet loss'
if [ $n = 5 ]; then
  rm /mnt/count; umount /mnt; echo "all rounds done"; exec reboot -f
fi
echo $((n + 1)) >/mnt/count
k=$(((n + 1) % 2))
kexec -l /mnt/kernel$k --initrd=/mnt/initrd$k --reuse-cmdline
sync; umount /mnt
exec kexec -e
)sh";

// The first life crashes on its second CPU, where the crash kernel boots: it saves the memory, the
// third finds what it saved.
constexpr char kCrashScript[] = R"sh(
if [ -e /proc/vmcore ]; then
  echo "crash kernel: $(uname -r)"
  dd if=/proc/vmcore of=/mnt/vmcore bs=1M 2>/dev/null; sync
  umount /mnt; exec reboot -f
elif [ -e /mnt/vmcore ]; then
  echo "saved: $(dd if=/mnt/vmcore bs=1 skip=1 count=3 2>/dev/null) $(stat -c %s /mnt/vmcore)"
  grep -a -m1 -o 'OSRELEASE=[0-9a-z.+-]*' /mnt/vmcore
  ifconfig eth0 up; udhcpc -i eth0 -n -q >/dev/null 2>&1; ping -c 1 10.0.2.2 | grep 'packet loss'
  umount /mnt; echo "life after"; exec poweroff -f
fi
run=$(sed 's/.*\(veneer.run=.*\)/\1/' /proc/cmdline)
kexec -p /mnt/kernel0 --initrd=/mnt/initrd0 \
  --append="console=ttyS0 panic=-1 quiet nr_cpus=1 $run"
sync; umount /mnt
exec taskset 2 sh -c 'echo c >/proc/sysrq-trigger'
)sh";

std::string RunCommandLine(const std::string& more) {
  return "console=ttyS0 panic=-1 quiet " + more +
         " veneer.run=\"mount /dev/xvda /mnt && sh /mnt/script\"";
}

class Kexec : public ::testing::Test {
 protected:
  void SetUp() override {
    if (Setting("VENEER_TEST_KEXEC_INITRD", "").empty()) {
      GTEST_SKIP() << "the guests of this host have no kexec: it is for Debian's own kernels";
    }
  }
  // A disk of `mib` with the script and both kernels with their initramfs.
  std::string MakeDisk(const char* script, std::uint64_t mib) {
    const std::string folder = scratch_.File("disk");
    std::filesystem::create_directory(folder);
    std::ofstream(folder + "/script") << script;
    const auto copy = [&](const char* variable, const std::string& name) {
      std::filesystem::copy_file(Needed(variable), folder + "/" + name);
    };
    copy("VENEER_TEST_KEXEC_KERNEL", "kernel0");
    copy("VENEER_TEST_KEXEC_INITRD", "initrd0");
    copy("VENEER_TEST_KEXEC_OTHER_KERNEL", "kernel1");
    copy("VENEER_TEST_KEXEC_OTHER_INITRD", "initrd1");
    std::string image = scratch_.File("disk.img");
    MakeImage(image, mib);
    EXPECT_EQ(RunTool({"/usr/sbin/mke2fs", "-q", "-F", "-d", folder, image}), 0);
    return image;
  }
  std::vector<std::string> Command(const std::string& image, const std::string& more,
                                   const std::vector<std::string>& options) {
    std::vector<std::string> all{"--initrd",    Needed("VENEER_TEST_KEXEC_INITRD"),
                                 "--disk",      "path=" + image,
                                 "--net",       "user",
                                 "--log-level", "debug"};
    all.insert(all.end(), options.begin(), options.end());
    return RunCommand(Needed("VENEER_TEST_KEXEC_KERNEL"), RunCommandLine(more), all);
  }

  ScratchDirectory scratch_;
};

// Five times in a row, into the other kernel and back, and a reboot in the end.
TEST_F(Kexec, FiveTimesIntoAnotherKernelAndBackWithDiskAndNetwork) {
  const std::string image = MakeDisk(kRoundScript, 128);
  ChildProcess veneer(
      Command(image, "", {"--cpus", "2", "--memory", "512M", "--on-reboot", "exit"}));
  EXPECT_EQ(veneer.WaitForExit(kRounds * BootLimit()), 0) << veneer.err();
  const std::string& out = veneer.out();
  std::size_t at = 0;
  for (int round = 0; round <= kRounds; ++round) {
    at = out.find("round " + std::to_string(round) + ": ", at);
    ASSERT_NE(at, std::string::npos) << round << '\n' << out << veneer.err();
    const std::string life = out.substr(at, out.find("round", at + 1) - at);
    EXPECT_THAT(life, HasSubstr(" 0% packet loss"));
    if (round > 0) {
      EXPECT_THAT(life, HasSubstr("/mnt/data: OK"));
    }
  }
  EXPECT_THAT(out, HasSubstr("all rounds done"));
  EXPECT_THAT(veneer.err(), HasSubstr("the guest starts another kernel"));
}

using Kdump = Kexec;

TEST_F(Kdump, TheCrashKernelSavesTheMemoryAndTheNextLifeIsAnOrdinaryOne) {
  const std::string image = MakeDisk(kCrashScript, 600);
  ChildProcess veneer(Command(image, "crashkernel=160M", {"--cpus", "2", "--memory", "320M"}));
  EXPECT_EQ(veneer.WaitForExit(3 * BootLimit()), 0) << veneer.err();
  EXPECT_THAT(veneer.out(), HasSubstr("crash kernel: "));
  EXPECT_THAT(veneer.out(), ContainsRegex("saved: ELF [0-9]{8,}"));
  EXPECT_THAT(veneer.out(), HasSubstr("OSRELEASE="));
  EXPECT_THAT(veneer.out(), HasSubstr(" 0% packet loss"));
  EXPECT_THAT(veneer.out(), HasSubstr("life after"));
}

}  // namespace
}  // namespace veneer::test
