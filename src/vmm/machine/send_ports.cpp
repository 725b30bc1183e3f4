#include "send_ports.h"

#include "veneer/vmm/base/log.h"
#include "xen_layout.h"

namespace veneer {
namespace {

IoEventAddress AddressOf(EvtchnPort port) {
  return IoEventAddress{
      .port_io = true, .address = kHypercallPorts.send, .size = 4, .match = port.value};
}

}  // namespace

void SendPorts::OnInterdomainBound(EvtchnPort guest_port, int event_fd) {
  const MutexLock lock(mutex_);
  if (const Result<void> attached = io_events_.AttachIoEvent(AddressOf(guest_port), event_fd);
      !attached) {
    // Sends then leave to userspace, which is slower and works.
    failures_.Add();
    LogDebug("event channel {}: {}", guest_port.value, attached.error().message);
    return;
  }
  attached_[guest_port] = event_fd;
}

void SendPorts::OnUnbound(EvtchnPort guest_port) {
  const MutexLock lock(mutex_);
  const auto it = attached_.find(guest_port);
  if (it != attached_.end()) {
    static_cast<void>(io_events_.DetachIoEvent(AddressOf(guest_port), it->second));
    attached_.erase(it);
  }
}

}  // namespace veneer
