// How one port of domain 0 hears about events.
#pragma once

#include <functional>

#include "veneer/vmm/base/event_fd.h"
#include "veneer/vmm/base/mutex.h"

namespace veneer {

// Thread-safe. Shared between the port and senders that are just signalling it.
class HostEndpoint {
 public:
  explicit HostEndpoint(std::function<void()> handler) : handler_(std::move(handler)) {}
  explicit HostEndpoint(EventFd event_fd) : event_fd_(std::move(event_fd)) {}
  HostEndpoint(const HostEndpoint&) = delete;
  HostEndpoint& operator=(const HostEndpoint&) = delete;

  int event_fd() const { return event_fd_.get(); }
  // Runs the handler on this thread, unless it is shut, or adds 1 to the eventfd.
  void Signal();
  // When it returns, the handler is not running on another thread and will not run again.
  void Shut();

 private:
  const EventFd event_fd_;
  // Held while the handler runs; recursive, because a handler may close its own port.
  RecursiveMutex running_;
  bool shut_ GUARDED_BY(running_) = false;
  const std::function<void()> handler_;
};

}  // namespace veneer
