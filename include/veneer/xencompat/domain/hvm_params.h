// The HVM parameters: who may read and write which (xen/hvm/params.h).
#pragma once

#include <array>
#include <cstdint>

#include "veneer/vmm/base/mutex.h"
#include "veneer/xencompat/abi/xen_errno.h"
#include "veneer/xencompat/domain/machine_hooks.h"

namespace veneer {

// Thread-safe.
class HvmParams {
 public:
  // The machine's: any index below HVM_NR_PARAMS.
  void Preset(std::uint32_t index, std::uint64_t value);

  // A new guest begins: what the old one has set is gone. What the machine presets stays.
  void StartOver();

  // The guest's. EINVAL for an index that does not exist or is out of use, and for a value out of
  // range; EPERM for one that is not the guest's.
  XenResult<void> Set(std::uint32_t index, std::uint64_t value);
  XenResult<std::uint64_t> Get(std::uint32_t index) const;

 private:
  mutable Mutex mutex_;
  std::array<std::uint64_t, HVM_NR_PARAMS> values_ GUARDED_BY(mutex_){};
};

// What a value of HVM_PARAM_CALLBACK_IRQ asks for.
CallbackMethod DecodeCallback(std::uint64_t value);

}  // namespace veneer
