// Threads of the VMM's own: named, and deaf to signals, which are the main thread's.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "veneer/vmm/base/event_loop.h"
#include "veneer/vmm/base/result.h"

namespace veneer {

// What a thread is for, and so what it may ask of the host's kernel once it is confined.
enum class ThreadKind {
  kHelper,   // no less than its maker
  kVcpu,     // runs a vCPU
  kPvmVcpu,  // the same on a host where Veneer performs guests' instructions
  kDisk,     // moves data between guest and image
  kNet,      // moves frames between guest and link
  kUserNet,  // the same, the link being a network made of the host's sockets
  kOutput,   // writes what somebody is slow to take, and begins new files
  kKeeper,   // starts a program, and looks after it
};

// How threads are confined: see host/sandbox.
struct ThreadRules {
  // Takes from the calling thread, for the rest of its life, what its kind does not need.
  void (*confine)(ThreadKind kind) = nullptr;
  // Makes the threads that may do what those who ask for them may not: kOutput, kKeeper.
  EventLoop* maker = nullptr;
};
// For the rest of the process. Called before other threads than the maker are started.
void SetThreadRules(const ThreadRules& rules);

// Confines the calling thread, if there are rules.
void ConfineThread(ThreadKind kind);

// Has the maker do what the calling thread may not, and waits for it; does it here without one.
void CallOnMaker(const std::function<void()>& call);

// `name`: what ps and debuggers show of it, the first 15 characters. It is confined before it does
// anything. HostError if the host has no room for one more thread; the caller's signal mask is as
// before either way.
Result<std::thread> StartThread(ThreadKind kind, const std::string& name,
                                std::function<void()> run);

// The same, but it hears the signals that its maker hears, for threads that a signal wakes; and it
// confines itself once it has opened what it needs.
Result<std::thread> StartThreadWithSignals(const std::string& name, std::function<void()> run);

// A thread that runs an event loop. Belongs to one other thread.
class LoopThread {
 public:
  // `set_up` runs on the new thread before the loop does, and its error is returned; `tear_down`
  // runs there after the loop, or after `set_up` has failed; neither runs without a thread. The
  // thread is confined between `set_up`, which opens what it needs, and the loop.
  static Result<std::unique_ptr<LoopThread>> Start(ThreadKind kind, const std::string& name,
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
