// Tells the hypercall transport what a send on a guest port does, as far as the kernel can do it.
#pragma once

#include <cstdint>

#include "veneer/xencompat/abi/xen_types.h"

namespace veneer {

// For a transport that lets EVTCHNOP_send end in the kernel: through an ioeventfd with the guest's
// port as datamatch, or by KVM's own Xen support. The calls come one at a time and in the order of
// what happened, with no lock held that a send needs; the observer must not bind, close or reset
// ports from inside them.
class PortObserver {
 public:
  virtual ~PortObserver() = default;
  // Sending on `guest_port` is from now on the same as writing 1 to `event_fd`, which stays open
  // until OnUnbound() has returned.
  virtual void OnInterdomainBound(EvtchnPort guest_port, int event_fd) = 0;
  // Sending on it makes it pending on `vcpu`.
  virtual void OnIpiBound(EvtchnPort guest_port, std::uint32_t vcpu) {
    static_cast<void>(guest_port);
    static_cast<void>(vcpu);
  }
  // It is what `vcpu`'s timer makes pending.
  virtual void OnTimerBound(EvtchnPort guest_port, std::uint32_t vcpu) {
    static_cast<void>(guest_port);
    static_cast<void>(vcpu);
  }
  // For a port of which one of the above has told.
  virtual void OnUnbound(EvtchnPort guest_port) = 0;
};

}  // namespace veneer
