// Named counters for `--metrics`, tests and benchmarks.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "veneer/vmm/base/mutex.h"

namespace veneer {

// Monotonic count. Thread-safe, relaxed: readers see a recent value.
class Counter {
 public:
  void Add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  void Set(std::uint64_t n) { value_.store(n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Owns counters by dotted name ("exits.pio", "xenstore.watches"). Thread-safe.
class Metrics {
 public:
  // The counter of that name, made on first use; valid as long as this object. Look it up once and
  // keep the reference: the look-up takes a lock.
  Counter& Get(std::string_view name);

  // A copy of all values.
  std::map<std::string, std::uint64_t> Snapshot() const;

 private:
  mutable Mutex mutex_;
  std::map<std::string, std::unique_ptr<Counter>, std::less<>> counters_ GUARDED_BY(mutex_);
};

}  // namespace veneer
