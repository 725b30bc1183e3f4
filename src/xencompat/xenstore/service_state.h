// What the service's parts share: the store, its lock, and the deliveries to make once the lock is
// free.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "connection.h"
#include "store.h"
#include "veneer/vmm/base/metrics.h"
#include "veneer/xencompat/xenstore/service.h"

namespace veneer {

struct XenstoreState {
  explicit XenstoreState(const XenstoreService::Options& options)
      : counters(options.metrics != nullptr ? *options.metrics : own_metrics),
        store(options.quotas) {}

  Metrics own_metrics;
  StoreCounters counters;
  std::mutex mutex;  // guards all below
  Store store;
  // Added under the lock by whoever has got something to send; run without it.
  std::vector<std::function<void()>> deliveries;
};

// Holds the lock of the store. Its end lets go of it and then makes the deliveries that have come
// up, on this thread.
class StoreLock {
 public:
  explicit StoreLock(XenstoreState& state) : state_(state), lock_(state.mutex) {}
  StoreLock(const StoreLock&) = delete;
  StoreLock& operator=(const StoreLock&) = delete;
  ~StoreLock() {
    std::vector<std::function<void()>> deliveries;
    deliveries.swap(state_.deliveries);
    lock_.unlock();
    for (const auto& deliver : deliveries) {
      deliver();
    }
  }

  Store& store() { return state_.store; }

 private:
  XenstoreState& state_;
  std::unique_lock<std::mutex> lock_;
};

}  // namespace veneer
