// Lets EVTCHNOP_send end in the kernel: one ioeventfd per event channel that leads to an eventfd.
#pragma once

#include <map>
#include <mutex>

#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/kvm/vm.h"
#include "veneer/xencompat/evtchn/port_observer.h"

namespace veneer {

// Thread-safe.
class SendPorts final : public PortObserver {
 public:
  // `vm` must outlive this object.
  SendPorts(Vm& vm, Metrics& metrics) : vm_(vm), failures_(metrics.Get("xen.send.no_ioeventfd")) {}

  void OnInterdomainBound(EvtchnPort guest_port, int event_fd) override;
  void OnUnbound(EvtchnPort guest_port) override;

 private:
  Vm& vm_;
  Counter& failures_;
  std::mutex mutex_;  // guards the map
  std::map<EvtchnPort, int> attached_;
};

}  // namespace veneer
