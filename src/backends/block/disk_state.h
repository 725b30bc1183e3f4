// What the queues of one disk share.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "veneer/backends/bus/polled_queue.h"
#include "veneer/host/disk/disk_config.h"
#include "veneer/host/disk/disk_failure.h"
#include "veneer/host/disk/disk_image.h"
#include "veneer/vmm/base/log.h"
#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/base/token_bucket.h"

namespace veneer {

// "disk.NAME.*"; see the area's README.
struct DiskCounters {
  DiskCounters(Metrics& metrics, const std::string& vdev);

  // Of requests answered: how long they took, the bucket's number in the name being its upper bound
  // in µs. The last has none.
  static constexpr std::size_t kLatencyBuckets = 21;
  void CountLatency(std::uint64_t ns);

  Counter& reads;
  Counter& writes;
  Counter& flushes;
  Counter& discards;
  Counter& read_bytes;
  Counter& written_bytes;
  Counter& merges;        // segments that continued the one before
  Counter& bad_requests;  // malformed, or not allowed
  Counter& errors;        // of the host
  Counter& notifications;
  Counter& suppressed;  // batches of responses that the guest did not want to hear of
  QueueCounters queues;
  Counter& latency_total_ns;  // of all requests that the buckets count
  std::array<Counter*, kLatencyBuckets> latency{};

 private:
  using Lookup = std::function<Counter&(std::string_view name)>;
  explicit DiskCounters(const Lookup& counter);
};

// Thread-safe.
struct DiskState {
  DiskState(const DiskConfig& disk_config, DiskImage& disk_image, Metrics& metrics,
            DiskFailureReceiver on_failure)
      : config(disk_config),
        image(disk_image),
        sectors(disk_image.facts().bytes / 512),
        readonly(disk_image.facts().readonly),
        discard(disk_image.facts().discard_granularity > 0),
        counters(metrics, disk_config.vdev),
        bytes_limit(disk_config.bytes_per_second),
        requests_limit(disk_config.requests_per_second),
        on_failure_(std::move(on_failure)) {}

  // Whether an operation that ended with this is held back instead of answered; tells whoever shall
  // know then.
  bool HoldsBack(DiskAction action, int error);

  // Each kind of error is worth one line.
  void LogHostError(DiskAction action, int error);

  const DiskConfig config;
  DiskImage& image;
  std::atomic<std::uint64_t> sectors;  // of 512 bytes
  const bool readonly;
  const bool discard;
  DiskCounters counters;
  TokenBucket bytes_limit;
  TokenBucket requests_limit;
  LogLimiter guest_limiter;
  // Counts the calls to try again what was held back.
  std::atomic<std::uint64_t> retries{0};

 private:
  // As a sentence for the log and for whoever shall know.
  std::string Describe(DiskAction action, int error) const;

  const DiskFailureReceiver on_failure_;
  Mutex mutex_;
  std::set<std::pair<DiskAction, int>> logged_ GUARDED_BY(mutex_);
};

}  // namespace veneer
