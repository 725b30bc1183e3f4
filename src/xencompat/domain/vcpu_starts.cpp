#include "veneer/xencompat/domain/vcpu_starts.h"

#include <algorithm>
#include <utility>

namespace veneer {

bool VcpuStarts::Prepare(unsigned vcpu, const vcpu_hvm_context_t& context) {
  const MutexLock lock(mutex_);
  if (contexts_[vcpu]) {
    return false;
  }
  contexts_[vcpu] = context;
  return true;
}

std::optional<vcpu_hvm_context_t> VcpuStarts::Take(unsigned vcpu) {
  const MutexLock lock(mutex_);
  return std::exchange(contexts_[vcpu], std::nullopt);
}

void VcpuStarts::StartOver() {
  const MutexLock lock(mutex_);
  std::fill(contexts_.begin(), contexts_.end(), std::nullopt);
}

}  // namespace veneer
