// A port of domain 0 that is closed when its owner goes.
#pragma once

#include <utility>

#include "veneer/xencompat/evtchn/event_channels.h"

namespace veneer {

// Thread-safe as EventChannels is; the EventChannels outlive it.
class BoundPort {
 public:
  BoundPort(EventChannels& events, EvtchnPort port) : events_(&events), port_(port) {}
  BoundPort(BoundPort&& other) noexcept
      : events_(std::exchange(other.events_, nullptr)), port_(other.port_) {}
  BoundPort& operator=(BoundPort&&) = delete;
  BoundPort(const BoundPort&) = delete;
  BoundPort& operator=(const BoundPort&) = delete;
  ~BoundPort() {
    if (events_ != nullptr) {
      static_cast<void>(events_->CloseHost(port_));
    }
  }
  EvtchnPort port() const { return port_; }
  void Notify() const { static_cast<void>(events_->Notify(port_)); }

 private:
  EventChannels* events_;
  EvtchnPort port_;
};

}  // namespace veneer
