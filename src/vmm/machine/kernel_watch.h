// Notices when a kernel that has unpacked itself begins to run, so that its hypercall sites are
// rewritten before it uses them.
#pragma once

#include <functional>
#include <vector>

#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/kvm/vm.h"
#include "veneer/vmm/memory/guest_memory.h"
#include "veneer/vmm/vcpu/vcpu.h"

namespace veneer {

// A kernel writes some model-specific registers early, with its own text mapped: EFER when it has
// to switch something on, and, 64-bit ones always, the base of GS. While armed these writes leave
// to userspace (Linux, arch/x86/kernel/head_64.S, head_32.S).
//
// Thread-safe.
class KernelWatch {
 public:
  enum class Expects {
    kNothing,    // the kernel was loaded, and patched, by us
    kAtBoot,     // it unpacks itself: it finds EFER as a boot loader leaves it
    kAfterKexec  // it is started by another kernel, which leaves EFER as it needs it
  };
  // `changed`: Msrs() says something else now. Called on the thread of the change, without a lock.
  KernelWatch(GuestMemory& memory, Expects expects, std::function<void()> changed);

  // Which writes must leave to userspace.
  std::vector<MsrRange> Msrs() const;
  // Another kernel will come by kexec.
  void Arm();
  // On the vCPU's thread. True if the access was one of those, and is dealt with.
  bool OnMsr(Vcpu& vcpu, const MsrExit& exit);

 private:
  // Whether the watch is over.
  bool Look(Vcpu& vcpu);

  // A kernel without such sites, or a guest that plays with these registers, is not looked through
  // for ever.
  static constexpr unsigned kMaxLooks = 16;

  GuestMemory& memory_;
  const std::function<void()> changed_;
  mutable Mutex mutex_;
  Expects expects_ GUARDED_BY(mutex_);
  unsigned looks_ GUARDED_BY(mutex_) = 0;  // at a kernel's text in which nothing was found
};

}  // namespace veneer
