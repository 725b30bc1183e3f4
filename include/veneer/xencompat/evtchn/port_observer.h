// Tells the hypercall transport which guest ports lead straight to an eventfd.
#pragma once

#include "veneer/xencompat/abi/xen_types.h"

namespace veneer {

// For a transport that lets EVTCHNOP_send leave through an ioeventfd with the guest's port as
// datamatch. The calls come one at a time and in the order of what happened, with no lock held that
// a send needs; the observer must not bind, close or reset ports from inside them.
class PortObserver {
 public:
  virtual ~PortObserver() = default;
  // Sending on `guest_port` is from now on the same as writing 1 to `event_fd`, which stays open
  // until OnUnbound() has returned.
  virtual void OnInterdomainBound(EvtchnPort guest_port, int event_fd) = 0;
  virtual void OnUnbound(EvtchnPort guest_port) = 0;
};

}  // namespace veneer
