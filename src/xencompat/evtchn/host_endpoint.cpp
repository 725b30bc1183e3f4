#include "host_endpoint.h"

#include <unistd.h>

#include <cstdint>

namespace veneer {

void HostEndpoint::Signal() {
  if (event_fd_.valid()) {
    const std::uint64_t one = 1;
    // Can only fail when the counter is full, and then the reader has its wake-up already.
    static_cast<void>(!write(event_fd_.get(), &one, sizeof(one)));
    return;
  }
  const std::scoped_lock lock(running_);
  if (!shut_) {
    handler_();
  }
}

void HostEndpoint::Shut() {
  const std::scoped_lock lock(running_);
  shut_ = true;
}

}  // namespace veneer
