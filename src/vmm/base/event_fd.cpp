#include "veneer/vmm/base/event_fd.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace veneer {

Result<EventFd> EventFd::Create() {
  UniqueFd fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd.valid()) {
    return ErrnoError(errno, "cannot make an eventfd");
  }
  return EventFd(std::move(fd));
}

void EventFd::Signal() const {
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then the reader has its wake-up already.
  static_cast<void>(!write(fd_.get(), &one, sizeof one));
}

void EventFd::Drain() const {
  std::uint64_t count = 0;
  // Fails only when there was no signal.
  static_cast<void>(!read(fd_.get(), &count, sizeof count));
}

}  // namespace veneer
