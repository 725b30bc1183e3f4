// Lets EVTCHNOP_send end in the kernel: one ioeventfd per event channel that leads to an eventfd.
#pragma once

#include <map>

#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/bus/io_events.h"
#include "veneer/xencompat/evtchn/port_observer.h"

namespace veneer {

// Thread-safe.
class SendPorts final : public PortObserver {
 public:
  // `io_events` must outlive this object.
  SendPorts(IoEvents& io_events, Metrics& metrics)
      : io_events_(io_events), failures_(metrics.Get("xen.send.no_ioeventfd")) {}

  void OnInterdomainBound(EvtchnPort guest_port, int event_fd) override;
  void OnUnbound(EvtchnPort guest_port) override;

 private:
  IoEvents& io_events_;
  Counter& failures_;
  Mutex mutex_;
  std::map<EvtchnPort, int> attached_ GUARDED_BY(mutex_);
};

}  // namespace veneer
