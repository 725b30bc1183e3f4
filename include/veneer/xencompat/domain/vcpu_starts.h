// What the vCPUs begin with that the guest starts by VCPUOP_initialise and VCPUOP_up (xen/vcpu.h)
// instead of a SIPI.
#pragma once

#include <optional>
#include <vector>

#include "veneer/vmm/base/mutex.h"
#include "veneer/xencompat/abi/xen_headers.h"

namespace veneer {

// Thread-safe. vCPU numbers are always valid.
class VcpuStarts {
 public:
  explicit VcpuStarts(unsigned vcpus) : contexts_(vcpus) {}

  // `context` has been checked. False, without effect: the vCPU has one already.
  bool Prepare(unsigned vcpu, const vcpu_hvm_context_t& context);
  // What it was prepared with, once; nothing for a vCPU that was not.
  std::optional<vcpu_hvm_context_t> Take(unsigned vcpu);
  // A new guest begins: none is prepared.
  void StartOver();

 private:
  Mutex mutex_;
  std::vector<std::optional<vcpu_hvm_context_t>> contexts_ GUARDED_BY(mutex_);
};

}  // namespace veneer
