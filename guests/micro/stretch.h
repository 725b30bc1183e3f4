// What ring 3 does for a stretch of time, measured by the PV clock, and how it waits meanwhile.
#pragma once

#include <stdint.h>

#include "arch.h"
#include "events.h"

namespace micro {

inline constexpr uint64_t kForever = ~uint64_t{0};
// After so long a device has lost something.
inline constexpr uint64_t kPatienceNs = 10'000'000'000;

struct Counts {
  uint64_t done = 0;   // requests or frames
  uint64_t bytes = 0;  // of frames
  uint32_t kicks = 0;
  uint32_t upcalls = 0;
  uint32_t exits = 0;  // of emulated devices: register accesses, each of which leaves the guest
};

struct Work {
  // What to do.
  uint64_t warm_up_ns = 0;  // not counted, before
  uint64_t run_ns = 0;
  uint64_t poll_ns = 0;  // how long to look at a ring before doing something about it
  // What came of it.
  Counts counts;
  uint64_t ns = 0;
  const char* problem = "it did not end";  // nullptr: none
};

// The stretch of a piece of work that counts.
class Stretch {
 public:
  // `upcalls` goes up with each; nullptr: there are none.
  Stretch(Work& work, const volatile uint32_t* upcalls)
      : work_(work), upcalls_(upcalls), begin_ns_(SystemTimeNs() + work.warm_up_ns) {
    work.problem = nullptr;
    if (work.warm_up_ns == 0) {
      Start(begin_ns_);
    }
  }

  bool over() const { return over_; }
  bool failed() const { return work_.problem != nullptr; }
  void Fail(const char* problem) { work_.problem = problem; }

  void LookAtClock(uint64_t now) {
    if (over_) {
      return;
    }
    if (!counting_ && now >= begin_ns_) {
      Start(now);
    } else if (counting_ && now - begin_ns_ >= work_.run_ns) {
      Stop(now);
    }
  }
  // Before time is over, if it is not.
  void Stop(uint64_t now) {
    if (over_) {
      return;
    }
    over_ = true;
    work_.counts = counts;
    work_.counts.upcalls = UpcallsSoFar() - counts.upcalls;
    work_.ns = now - begin_ns_;
  }

  Counts counts;  // up to now; `upcalls` is what there were before

 private:
  uint32_t UpcallsSoFar() const { return upcalls_ != nullptr ? *upcalls_ : 0; }
  void Start(uint64_t now) {
    counting_ = true;
    begin_ns_ = now;
    counts = Counts{};
    counts.upcalls = UpcallsSoFar();
  }

  Work& work_;
  const volatile uint32_t* upcalls_;
  uint64_t begin_ns_;
  bool counting_ = false;
  bool over_ = false;
};

inline void Pause() { asm volatile("pause" : : : "memory"); }

// driver.Step() as long as driver.More() and nothing fails. Step() is false if there was nothing to
// do; after `poll_ns` of that comes driver.Wait().
template <typename Driver>
void RunDriver(Driver& driver, Stretch& stretch, uint64_t poll_ns) {
  uint64_t idle_since = SystemTimeNs();
  while (driver.More() && !stretch.failed()) {
    const uint64_t now = SystemTimeNs();
    stretch.LookAtClock(now);
    if (driver.Step()) {
      idle_since = now;
    } else if (now - idle_since >= poll_ns) {
      driver.Wait();
      idle_since = SystemTimeNs();
    } else {
      Pause();
    }
  }
  stretch.Stop(SystemTimeNs());
}

// Until an event comes through `port`, and that by an interrupt: what is lost shows as a time-out.
// `ask` asks the other end for one, and is true if there is no need to wait.
template <typename Ask>
void SleepForEvent(uint32_t port, Stretch& stretch, Ask ask) {
  const volatile uint32_t& seen = events_seen[port];
  const uint32_t before = seen;
  if (ask()) {
    return;
  }
  const uint64_t start = SystemTimeNs();
  while (seen == before) {
    Pause();
    if (SystemTimeNs() - start > kPatienceNs) {
      stretch.Fail("no upcall came");
      return;
    }
  }
}

// A front-end's.
inline void Kick(uint32_t port, Stretch& stretch) {
  ++stretch.counts.kicks;
  if (Send(port) != 0) {
    stretch.Fail("a kick failed");
  }
}

}  // namespace micro
