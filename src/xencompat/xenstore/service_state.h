// What the service's parts share: the store, its lock, and the deliveries to make once the lock is
// free.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "connection.h"
#include "store.h"
#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/base/mutex.h"
#include "veneer/xencompat/xenstore/service.h"

namespace veneer {

struct XenstoreState {
  explicit XenstoreState(const XenstoreService::Options& options)
      : counters(options.metrics != nullptr ? *options.metrics : own_metrics),
        store(options.quotas) {}

  Metrics own_metrics;
  StoreCounters counters;
  Mutex mutex;
  Store store GUARDED_BY(mutex);
  // Added under the lock by whoever has got something to send; run without it.
  std::vector<std::function<void()>> deliveries GUARDED_BY(mutex);
};

// Holds the lock of the store. Its end lets go of it and then makes the deliveries that have come
// up, on this thread.
class SCOPED_CAPABILITY StoreLock {
 public:
  explicit StoreLock(XenstoreState& state) ACQUIRE(state.mutex) : state_(state) {
    state_.mutex.Lock();
  }
  StoreLock(const StoreLock&) = delete;
  StoreLock& operator=(const StoreLock&) = delete;
  ~StoreLock() RELEASE() {
    std::vector<std::function<void()>> deliveries;
    deliveries.swap(state_.deliveries);
    state_.mutex.Unlock();
    for (const auto& deliver : deliveries) {
      deliver();
    }
  }

  Store& store() {
    state_.mutex.AssertHeld();
    return state_.store;
  }

 private:
  XenstoreState& state_;
};

}  // namespace veneer
