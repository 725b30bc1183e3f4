#include "first_entry.h"

#include <chrono>
#include <optional>

#include "ioctl_watch.h"

namespace veneer::bench {
namespace {

// <linux/kvm.h>: KVM_CREATE_IRQCHIP and KVM_RUN.
constexpr std::uint32_t kCreateIrqchip = 0xae60;
constexpr std::uint32_t kRun = 0xae80;

}  // namespace

Result<FirstEntry> MeasureFirstEntry(const std::vector<std::string>& argv) {
  VENEER_TRY_ASSIGN(IoctlWatch watch, IoctlWatch::Start(argv, {kCreateIrqchip, kRun}));
  bool real_machine = false;
  for (;;) {
    VENEER_TRY_ASSIGN(const std::optional<std::uint32_t> request,
                      watch.Next(std::chrono::seconds(60)));
    if (!request) {
      return HostError("{} ended before it entered its guest: {}", argv[0], watch.Complaints());
    }
    real_machine = real_machine || *request == kCreateIrqchip;
    if (real_machine && *request == kRun) {
      break;
    }
    VENEER_TRY(watch.Continue());
  }
  FirstEntry entry;
  VENEER_TRY_ASSIGN(entry.cpu_ns, watch.CpuNs());
  VENEER_TRY_ASSIGN(entry.memory, ReadMemory(watch.pid()));
  return entry;
}

}  // namespace veneer::bench
