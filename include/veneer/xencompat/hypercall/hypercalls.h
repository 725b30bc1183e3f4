// Carries out hypercalls: finds the operation's row in the table, copies its argument, calls the
// handler.
#pragma once

#include <memory>
#include <span>

#include "veneer/vmm/base/metrics.h"
#include "veneer/xencompat/domain/xen_domain.h"
#include "veneer/xencompat/hypercall/frame.h"
#include "veneer/xencompat/hypercall/guest_virtual_memory.h"

namespace veneer {

// Thread-safe; each vCPU calls on its own thread.
class Hypercalls {
 public:
  // Both must outlive this object. Counts calls as "hypercall.NAME.OPERATION".
  Hypercalls(XenDomain& domain, Metrics& metrics);
  Hypercalls(const Hypercalls&) = delete;
  Hypercalls& operator=(const Hypercalls&) = delete;
  ~Hypercalls();

  // One call, or a slice of it: when the result says `again`, the caller looks whether its vCPU is
  // wanted elsewhere and then calls again with the same, changed frame. No slice takes long, except
  // that SCHEDOP_poll may sleep for up to a millisecond.
  CallResult Dispatch(unsigned vcpu, HypercallFrame& frame, GuestVirtualMemory& memory);

  // EVTCHNOP_send by a guest that used the send port and found no ioeventfd: what belongs into RAX
  // if it is not 0 (see HypercallPorts::send).
  CallResult Send(std::uint32_t port);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace veneer
