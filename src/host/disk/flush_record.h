// Remembers for an image that a flush has failed.
#pragma once

#include <atomic>

namespace veneer {

// Linux tells once that it could not write a file's pages back, and calls them clean: a flush after
// that would succeed although what was written is lost. So every further flush fails, until the
// image is opened anew. Thread-safe.
class FlushRecord {
 public:
  // What the first that failed ended with, an errno value; 0: none has.
  int error() const { return error_.load(std::memory_order_acquire); }
  void Failed(int error) {
    int none = 0;
    error_.compare_exchange_strong(none, error, std::memory_order_acq_rel);
  }

 private:
  std::atomic<int> error_{0};
};

}  // namespace veneer
