#include "kernel_watch.h"

#include <optional>
#include <utility>

#include "kernel_patcher.h"
#include "veneer/vmm/base/log.h"

namespace veneer {
namespace {

constexpr std::uint32_t kMsrGsBase = 0xc0000101;

}  // namespace

KernelWatch::KernelWatch(GuestMemory& memory, Expects expects, std::function<void()> changed)
    : memory_(memory), changed_(std::move(changed)), expects_(expects) {}

std::vector<MsrRange> KernelWatch::Msrs() const {
  const MutexLock lock(mutex_);
  std::vector<MsrRange> ranges;
  if (expects_ != Expects::kNothing) {
    ranges.push_back(MsrRange{.first = kMsrEfer, .count = 1, .reads = false, .writes = true});
  }
  if (expects_ == Expects::kAfterKexec) {
    ranges.push_back(MsrRange{.first = kMsrGsBase, .count = 1, .reads = false, .writes = true});
  }
  return ranges;
}

void KernelWatch::Arm() {
  {
    const MutexLock lock(mutex_);
    expects_ = Expects::kAfterKexec;
    looks_ = 0;
  }
  changed_();
}

bool KernelWatch::OnMsr(Vcpu& vcpu, const MsrExit& exit) {
  if (!exit.write || (exit.index != kMsrEfer && exit.index != kMsrGsBase)) {
    return false;
  }
  // Also when the watch has just ended on another vCPU.
  *exit.fault = vcpu.SetMsr(exit.index, *exit.value) ? 0 : 1;
  if (Look(vcpu)) {
    changed_();
  }
  return true;
}

bool KernelWatch::Look(Vcpu& vcpu) {
  const MutexLock lock(mutex_);
  if (expects_ == Expects::kNothing) {
    return false;
  }
  const std::optional<unsigned> sites = PatchRunningKernel(memory_, vcpu);
  if (!sites) {
    return false;
  }
  if (*sites > 0) {
    // One that is started by kexec may be another one soon: no line for each.
    Log(expects_ == Expects::kAtBoot ? LogLevel::kInfo : LogLevel::kDebug,
        "the guest has unpacked its kernel: rewrote {} hypercall sites", *sites);
  } else if (++looks_ < kMaxLooks) {
    return false;
  }
  expects_ = Expects::kNothing;
  return true;
}

}  // namespace veneer
