// Mutexes that say what they guard, so that clang's thread safety analysis (-Wthread-safety, on in
// the fuzz build) refuses code that touches it without them. Other compilers see the standard ones.
//
// The macros are the attributes of https://clang.llvm.org/docs/ThreadSafetyAnalysis.html. The order
// in which locks are taken is in docs/threat-model.md.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <shared_mutex>

#ifdef __clang__
#define VENEER_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define VENEER_THREAD_ATTRIBUTE(x)
#endif

// On data: only with that lock held.
#define GUARDED_BY(x) VENEER_THREAD_ATTRIBUTE(guarded_by(x))
// On a mutex: it is taken before those, or after.
#define ACQUIRED_BEFORE(...) VENEER_THREAD_ATTRIBUTE(acquired_before(__VA_ARGS__))
#define ACQUIRED_AFTER(...) VENEER_THREAD_ATTRIBUTE(acquired_after(__VA_ARGS__))
// On a function: to be called with these held, or without.
#define REQUIRES(...) VENEER_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) VENEER_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))
// On a function that takes or gives back; on the class of an object that does so for its lifetime.
#define ACQUIRE(...) VENEER_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define RELEASE(...) VENEER_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))
#define SCOPED_CAPABILITY VENEER_THREAD_ATTRIBUTE(scoped_lockable)
// On a function whose locking the analysis cannot follow; say why.
#define NO_THREAD_SAFETY_ANALYSIS VENEER_THREAD_ATTRIBUTE(no_thread_safety_analysis)

namespace veneer {

template <typename Base>
class VENEER_THREAD_ATTRIBUTE(capability("mutex")) BasicMutex {
 public:
  void Lock() ACQUIRE() { base_.lock(); }
  void Unlock() RELEASE() { base_.unlock(); }
  // Tells the analysis, in a callback, what holds wherever the callback is called.
  void AssertHeld() const VENEER_THREAD_ATTRIBUTE(assert_capability(this)) {}

 private:
  friend class Condition;
  Base base_;
};

using Mutex = BasicMutex<std::mutex>;
using RecursiveMutex = BasicMutex<std::recursive_mutex>;

// Many readers or one writer.
class VENEER_THREAD_ATTRIBUTE(capability("mutex")) SharedMutex {
 public:
  void Lock() ACQUIRE() { base_.lock(); }
  void Unlock() RELEASE() { base_.unlock(); }
  void LockShared() VENEER_THREAD_ATTRIBUTE(acquire_shared_capability()) { base_.lock_shared(); }
  void UnlockShared() VENEER_THREAD_ATTRIBUTE(release_shared_capability()) {
    base_.unlock_shared();
  }

 private:
  std::shared_mutex base_;
};

// Holds a mutex for the rest of the block.
template <typename M>
class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(M& mutex) ACQUIRE(mutex) : mutex_(mutex) { mutex_.Lock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  ~MutexLock() RELEASE() { mutex_.Unlock(); }

 private:
  M& mutex_;
};

// Holds it as one of several readers.
class SCOPED_CAPABILITY ReaderLock {
 public:
  explicit ReaderLock(SharedMutex& mutex) VENEER_THREAD_ATTRIBUTE(acquire_shared_capability(mutex))
      : mutex_(mutex) {
    mutex_.LockShared();
  }
  ReaderLock(const ReaderLock&) = delete;
  ReaderLock& operator=(const ReaderLock&) = delete;
  ~ReaderLock() VENEER_THREAD_ATTRIBUTE(release_generic_capability()) { mutex_.UnlockShared(); }

 private:
  SharedMutex& mutex_;
};

// A condition variable. Look at what is waited for in a loop in the caller, where the analysis
// knows that the lock is held.
class Condition {
 public:
  // Gives `mutex` up while it blocks.
  void Wait(Mutex& mutex) REQUIRES(mutex) {
    std::unique_lock lock(mutex.base_, std::adopt_lock);
    condition_.wait(lock);
    static_cast<void>(lock.release());
  }
  // False: `deadline` has passed.
  template <typename Clock, typename Duration>
  bool WaitUntil(Mutex& mutex, const std::chrono::time_point<Clock, Duration>& deadline)
      REQUIRES(mutex) {
    std::unique_lock lock(mutex.base_, std::adopt_lock);
    const std::cv_status status = condition_.wait_until(lock, deadline);
    static_cast<void>(lock.release());
    return status == std::cv_status::no_timeout;
  }
  void NotifyOne() { condition_.notify_one(); }
  void NotifyAll() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace veneer
