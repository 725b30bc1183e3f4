// A listening socket on an event loop.
#pragma once

#include <functional>
#include <string>

#include "veneer/vmm/base/event_loop.h"
#include "veneer/vmm/base/log.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer {

// Hands over one client after the other. While the process or the host has no descriptor left for
// one more, the clients wait in the socket's queue, and the loop is left in peace. On the loop's
// thread.
class Listener {
 public:
  using OnClient = std::function<void(UniqueFd client)>;

  // `fd` is a listening socket with O_NONBLOCK and stays the caller's; `what` names it in the log.
  // Clients are non-blocking and closed on exec.
  Listener(EventLoop& loop, int fd, std::string what, OnClient on_client);
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener();

  Result<void> Start();
  // Whether it waits for descriptors to become free.
  bool resting() const { return timer_ != 0; }

 private:
  void Accept();
  void Rest(int error);

  EventLoop& loop_;
  const int fd_;
  const std::string what_;
  const OnClient on_client_;
  EventLoop::TimerId timer_ = 0;
  LogLimiter limiter_;
};

}  // namespace veneer
