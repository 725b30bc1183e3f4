// Threads of the VMM's own: named, and deaf to signals, which are the main thread's.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "veneer/vmm/base/event_loop.h"
#include "veneer/vmm/base/result.h"

namespace veneer {

// `name`: what ps and debuggers show of it, the first 15 characters. HostError if the host has no
// room for one more thread; the caller's signal mask is as before either way.
Result<std::thread> StartThread(const std::string& name, std::function<void()> run);

// The same, but it hears the signals that its maker hears: for threads that a signal wakes.
Result<std::thread> StartThreadWithSignals(const std::string& name, std::function<void()> run);

// A thread that runs an event loop. Belongs to one other thread.
class LoopThread {
 public:
  // `set_up` runs on the new thread before the loop does, and its error is returned; `tear_down`
  // runs there after the loop, or after `set_up` has failed; neither runs without a thread.
  static Result<std::unique_ptr<LoopThread>> Start(const std::string& name,
                                                   std::function<Result<void>(EventLoop&)> set_up,
                                                   std::function<void()> tear_down);
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;
  // Stops the loop, unless that has been done, and waits for the thread.
  ~LoopThread();

  EventLoop& loop() { return *loop_; }

 private:
  LoopThread() = default;
  std::unique_ptr<EventLoop> loop_;
  std::thread thread_;
};

}  // namespace veneer
