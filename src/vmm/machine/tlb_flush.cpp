#include "tlb_flush.h"

#include <algorithm>

#include "veneer/vmm/base/log.h"

namespace veneer {
namespace {

// A processor forgets everything, global pages included, when CR4.PGE changes (Intel SDM vol. 3,
// 4.10.4.1). KVM does as much when its user changes it: what it knew of the vCPU's page tables is
// thrown away, and the next entry begins with an empty TLB.
bool Flush(Vcpu& vcpu) {
  SystemRegisters registers = vcpu.GetSystemRegisters();
  registers.cr4 ^= kCr4GlobalPages;
  const bool changed = vcpu.SetSystemRegisters(registers);
  registers.cr4 ^= kCr4GlobalPages;
  return changed && vcpu.SetSystemRegisters(registers);
}

}  // namespace

bool TlbFlush::Go(unsigned caller) {
  if (wanted_[caller] == 0) {
    Begin(caller);
  }
  if (!Finished(caller)) {
    return false;
  }
  wanted_[caller] = 0;
  return true;
}

void TlbFlush::Begin(unsigned caller) {
  const std::uint64_t number = ++last_;
  wanted_[caller] = number;
  for (const auto& vcpu : vcpus_) {
    const unsigned id = vcpu->vcpu().id();
    // One that has not been started has nothing to forget.
    if (id == caller || vcpu->HasRun()) {
      vcpu->Post(VcpuTask::kFlush, [this, id, number](Vcpu& target) {
        if (!Flush(target)) {
          LogGuest(limiter_, "vCPU {}: KVM does not take its own state back: no TLB flush", id);
        }
        done_[id].store(number, std::memory_order_release);
      });
    }
  }
}

bool TlbFlush::Finished(unsigned caller) const {
  return std::ranges::all_of(vcpus_, [&](const auto& vcpu) {
    return done_[vcpu->vcpu().id()].load(std::memory_order_acquire) >= wanted_[caller] ||
           !vcpu->MayRunGuest() || !vcpu->HasRun();
  });
}

void TlbFlush::StartOver() { std::ranges::fill(wanted_, 0); }

}  // namespace veneer
