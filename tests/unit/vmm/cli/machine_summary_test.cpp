#include "src/vmm/cli/machine_summary.h"

#include <gmock/gmock.h>

#include "run_options_fixture.h"

namespace veneer {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using MachineSummaryTest = RunOptionsTest;

TEST_F(MachineSummaryTest, SaysWhatWouldBeMade) {
  Parse(
      "--kernel bzImage --cmdline console=hvc0 --memory 256M --memory-max 1G --cpus 2 --cpus-max 8 "
      "--name web "
      "--console stdio --disk path=root.img --disk path=cd.iso,bus=ide,media=cdrom "
      "--disk path=data.qcow2,format=qcow2,bus=both,readonly=on "
      "--disk path=b.img,overlay=on,on-error=pause "
      "--net user,mac=52:54:00:12:34:56,hostfwd=tcp::8080-:80 --net "
      "tap=tap0,bridge=br0,model=e1000 "
      "--dry-run");
  EXPECT_TRUE(options_.dry_run);
  const std::string text = MachineSummary(options_);
  for (const char* line :
       {"name        web\n", "kernel      bzImage\n", "initrd      none\n",
        "cmdline     console=hvc0\n", "memory      256 MiB, up to 1024 MiB while it runs\n",
        "vCPUs       2, 1 to 8 by ACPI\n", "Xen         4.17\n",
        "disk        root.img, PV as xvda, format found out at start\n",
        "disk        cd.iso, emulated (IDE), CD-ROM, read-only\n",
        "disk        data.qcow2, PV and emulated, until the guest unplugs that as xvdb, qcow2, "
        "read-only\n",
        "disk        b.img, PV as xvdc, format found out at start, what is written to it is gone "
        "at "
        "the end, pauses the guest when the host fails it\n",
        "NIC         52:54:00:12:34:56, PV, user network, TCP 127.0.0.1:8080 to port 80\n",
        ", emulated (e1000), tap tap0, in bridge br0\n", "ttyS0       off\n", "hvc0        stdio\n",
        "on reboot   starts anew\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(text, Not(HasSubstr("time limit")));
}

TEST_F(MachineSummaryTest, WithASeedForCloudInit) {
  Parse("--kernel k --name web --ssh-key id.pub --cloud-init user-data=u.yaml,network=n.yaml");
  EXPECT_THAT(MachineSummary(options_),
              HasSubstr("cloud-init  the last disk, read-only, with user-data u.yaml, network "
                        "n.yaml, the key id.pub, the host name web\n"));
}

TEST_F(MachineSummaryTest, WithoutXen) {
  Parse("--kernel k --xen off --timeout 9 --net user,model=e1000,host-loopback=off");
  const std::string text = MachineSummary(options_);
  EXPECT_THAT(text, HasSubstr("vCPUs       1\n"));
  EXPECT_THAT(text, HasSubstr("Xen         off\n"));
  EXPECT_THAT(text, HasSubstr("hvc0        none without Xen\n"));
  EXPECT_THAT(text, HasSubstr("user network, without the host's loopback\n"));
  EXPECT_THAT(text, HasSubstr("time limit  9 s\n"));
}

}  // namespace
}  // namespace veneer
