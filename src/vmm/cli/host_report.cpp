#include "host_report.h"

#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include <liburing.h>

#include "veneer/host/sandbox/sandbox.h"
#include "veneer/vmm/base/unique_fd.h"
#include "veneer/vmm/machine/machine_config.h"

namespace veneer {
namespace {

// "always within_size [advise] never" -> "advise"
std::string ChosenSetting(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  const std::size_t open = line.find('[');
  const std::size_t close = line.find(']');
  if (open == std::string::npos || close == std::string::npos || close < open) {
    return {};
  }
  return line.substr(open + 1, close - open - 1);
}

bool TryIoUring() {
  io_uring ring{};
  if (io_uring_queue_init(2, &ring, 0) != 0) {
    return false;
  }
  io_uring_queue_exit(&ring);
  return true;
}

const char* YesNo(bool yes) { return yes ? "yes" : "no"; }

HostFact EventsFact(const KvmCapabilities& capabilities, const HostProfile& profile) {
  if (capabilities.kernel_xen() && !profile.emulated_kernel) {
    return {"events", "Xen events", "2-level, delivered by KVM",
            "IPIs, timers and back-ends' events do not leave the kernel"};
  }
  return {"events", "Xen events", "FIFO or 2-level, delivered by Veneer",
          "IPIs and timers are system calls of Veneer's"};
}

HostFact TransportFact(const KvmCapabilities& capabilities, const HostProfile& profile) {
  if (capabilities.kernel_xen() && !profile.emulated_kernel) {
    return {"transport", "Hypercall transport", "KVM interception",
            "Xen hypercalls of any guest reach Veneer; --kvm-xen off rewrites call sites instead"};
  }
  return {"transport", "Hypercall transport", "rewritten call sites and port page",
          "Veneer rewrites the guest's two hypercall instructions to port writes"};
}

HostFact SpeedFact(const HostProfile& profile) {
  const double millions = profile.kernel_instructions_per_second / 1e6;
  if (profile.emulated_kernel) {
    return {"kernel_speed", "Guest kernel speed",
            fmt::format("{:.1f} million instructions/s", millions),
            "a small kernel boots in about a minute, a distribution kernel in many; use throughput "
            "figures of Linux guests for ratios only"};
  }
  return {"kernel_speed", "Guest kernel speed", "native", "guests boot at full speed"};
}

}  // namespace

HostResources ProbeResources() {
  HostResources resources;
  resources.io_uring = TryIoUring();
  resources.call_filters = HostFiltersCalls();
  resources.landlock = HostConfinesFiles();
  const UniqueFd tap(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  resources.tap = tap.valid();
  if (!resources.tap) {
    resources.tap_problem = std::strerror(errno);
  }
  resources.huge_pages = ChosenSetting("/sys/kernel/mm/transparent_hugepage/enabled");
  return resources;
}

std::vector<HostFact> HostFacts(const KvmCapabilities& capabilities, const HostProfile& profile,
                                const HostResources& resources) {
  std::vector<HostFact> facts;
  facts.push_back(
      {"kvm.api_version", "KVM API", std::to_string(capabilities.api_version), "usable"});
  facts.push_back({"kvm.max_vcpus", "vCPUs per guest", std::to_string(capabilities.max_vcpus),
                   fmt::format("--cpus up to {}", std::min(capabilities.max_vcpus, kMaxVcpus))});
  facts.push_back(
      profile.emulated_kernel
          ? HostFact{"kind", "Kind of host", "PVM (page tables, no VT-x or SVM)",
                     "KVM interprets guest kernels; user space runs natively"}
          : HostFact{"kind", "Kind of host", "hardware virtualization", "guests run natively"});
  facts.push_back(SpeedFact(profile));
  facts.push_back({"kvm.xen", "Xen support in KVM",
                   capabilities.xen_flags != 0 ? fmt::format("flags {:#x}", capabilities.xen_flags)
                                               : std::string("no"),
                   !capabilities.kernel_xen() ? "not used: Veneer brings its own"
                   : profile.emulated_kernel  ? "not used: guest kernels are interpreted here"
                                              : "used (--kvm-xen)"});
  facts.push_back(TransportFact(capabilities, profile));
  facts.push_back(EventsFact(capabilities, profile));
  facts.push_back(profile.emulated_kernel
                      ? HostFact{"assists", "Assists", "instructions, SYSCALL",
                                 "Veneer performs what KVM's interpreter does not know, and adds "
                                 "to the kernel command line (--host-cmdline)"}
                      : HostFact{"assists", "Assists", "none", "not needed"});
  facts.push_back({"kvm.msr_filter", "MSR filter", YesNo(capabilities.msr_filter),
                   capabilities.msr_filter ? "the hypercall page can be offered"
                                           : "guests that need a hypercall page cannot use Xen"});
  facts.push_back({"kvm.irqfd", "irqfd and ioeventfd",
                   YesNo(capabilities.irqfd && capabilities.ioeventfd),
                   "events between guest and back-ends bypass the vCPU loop"});
  facts.push_back({"kvm.sync_registers", "Registers in the run page",
                   YesNo(capabilities.sync_registers),
                   capabilities.sync_registers ? "hypercalls need no extra system calls"
                                               : "each hypercall costs two more system calls"});
  facts.push_back({"io_uring", "io_uring", YesNo(resources.io_uring),
                   resources.io_uring ? "disks are driven in batches"
                                      : "switch it on: sysctl kernel.io_uring_disabled=0"});
  facts.push_back({"sandbox", "System call filters", YesNo(resources.call_filters),
                   resources.call_filters
                       ? "threads are confined to the calls that they have a use for (--sandbox)"
                       : "guests need --sandbox off: the kernel lacks CONFIG_SECCOMP_FILTER"});
  facts.push_back({"landlock", "Landlock", YesNo(resources.landlock),
                   resources.landlock
                       ? "Veneer keeps to the files of its command line (--sandbox, --disk-dir)"
                       : "files are not confined: the kernel lacks it, or was booted without "
                         "landlock in lsm="});
  facts.push_back({"tap", "Tap devices",
                   resources.tap ? std::string("yes") : "no: " + resources.tap_problem,
                   resources.tap ? "guests can be put on a bridge"
                                 : "only user-mode networking; for taps run as root or load tun"});
  facts.push_back({"huge_pages", "Huge pages for guest memory",
                   resources.huge_pages.empty() ? "no" : resources.huge_pages,
                   resources.huge_pages == "madvise" || resources.huge_pages == "always"
                       ? "used (--memory-backing auto)"
                       : "set /sys/kernel/mm/transparent_hugepage/enabled to madvise for faster "
                         "guests"});
  return facts;
}

}  // namespace veneer
