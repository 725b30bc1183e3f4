#include "host_endpoint.h"

namespace veneer {

void HostEndpoint::Signal() {
  if (event_fd_.valid()) {
    event_fd_.Signal();
    return;
  }
  const MutexLock lock(running_);
  if (!shut_) {
    handler_();
  }
}

void HostEndpoint::Shut() {
  const MutexLock lock(running_);
  shut_ = true;
}

}  // namespace veneer
