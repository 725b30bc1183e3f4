// A counter in the kernel that wakes whoever watches it: eventfd(2). Non-blocking.
#pragma once

#include <utility>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer {

class EventFd {
 public:
  static Result<EventFd> Create();
  EventFd() = default;
  // Takes over a descriptor that eventfd(2) made.
  explicit EventFd(UniqueFd fd) : fd_(std::move(fd)) {}

  [[nodiscard]] int get() const { return fd_.get(); }
  [[nodiscard]] bool valid() const { return fd_.valid(); }

  // Any thread; never blocks.
  void Signal() const;
  // Forgets the signals so far.
  void Drain() const;

 private:
  UniqueFd fd_;
};

}  // namespace veneer
