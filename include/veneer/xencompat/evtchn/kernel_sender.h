// Events that the kernel makes pending, where KVM's own Xen support is in use.
#pragma once

#include <cstdint>

#include "veneer/xencompat/abi/xen_types.h"

namespace veneer {

// Implemented by the machine. Called from any thread, with no lock held.
class KernelSender {
 public:
  virtual ~KernelSender() = default;
  // Makes `port` pending on `vcpu` by the 2-level ABI, with all that follows from it: selector,
  // upcall, interrupt, and whoever polls in the kernel. False, without effect, if the kernel does
  // not do it.
  [[nodiscard]] virtual bool Send(EvtchnPort port, std::uint32_t vcpu) = 0;
};

}  // namespace veneer
