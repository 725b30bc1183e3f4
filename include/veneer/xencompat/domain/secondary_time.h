// A second copy of a vCPU's PV clock parameters, which guests map into user space
// (VCPUOP_register_vcpu_time_memory_area in xen/vcpu.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/memory/guest_memory.h"
#include "veneer/xencompat/abi/xen_headers.h"
#include "veneer/xencompat/domain/guest_area.h"

namespace veneer {

// Thread-safe.
class SecondaryTime {
 public:
  // Where the guest wants the copy; nothing: nowhere any more.
  void SetArea(std::optional<GuestArea> area);
  // Copies from `primary`, the vcpu_time_info that KVM keeps up to date, if it has changed since
  // the last time. Leaves it for the next call if it changes meanwhile.
  void Refresh(GuestMemory& memory, std::span<const std::byte> primary);

 private:
  Mutex mutex_;
  std::optional<GuestArea> area_ GUARDED_BY(mutex_);
  std::optional<std::uint32_t> copied_ GUARDED_BY(mutex_);  // version of the primary
};

}  // namespace veneer
