#include "disk_state.h"

#include <algorithm>
#include <bit>

namespace veneer {

DiskCounters::DiskCounters(const Lookup& counter)
    : reads(counter("reads")),
      writes(counter("writes")),
      flushes(counter("flushes")),
      discards(counter("discards")),
      read_bytes(counter("read_bytes")),
      written_bytes(counter("written_bytes")),
      merges(counter("merges")),
      bad_requests(counter("bad_requests")),
      errors(counter("errors")),
      notifications(counter("notifications")),
      suppressed(counter("suppressed")),
      queues(counter),
      latency_total_ns(counter("latency_total_ns")) {
  for (std::size_t i = 0; i < kLatencyBuckets; ++i) {
    latency[i] =
        &counter(i + 1 < kLatencyBuckets ? fmt::format("latency_us.{:07}", std::uint64_t{1} << i)
                                         : std::string("latency_us.more"));
  }
}

DiskCounters::DiskCounters(Metrics& metrics, const std::string& vdev)
    : DiskCounters([&](std::string_view name) -> Counter& {
        return metrics.Get(fmt::format("disk.{}.{}", vdev, name));
      }) {}

void DiskCounters::CountLatency(std::uint64_t ns) {
  const std::uint64_t us = ns / 1000;
  latency_total_ns.Add(ns);
  latency[std::min<std::size_t>(std::bit_width(us), kLatencyBuckets - 1)]->Add();
}

std::string DiskState::Describe(DiskAction action, int error) const {
  return DescribeDiskFailure(fmt::format("{} ('{}')", config.vdev, config.path), action, error);
}

bool DiskState::HoldsBack(DiskAction action, int error) {
  if (config.on_error == DiskOnError::kReport || !IsDiskFailure(error) || !on_failure_) {
    return false;
  }
  counters.errors.Add();
  on_failure_({Describe(action, error), config.on_error});
  return true;
}

void DiskState::LogHostError(DiskAction action, int error) {
  counters.errors.Add();
  {
    const MutexLock lock(mutex_);
    if (!logged_.emplace(action, error).second) {
      return;
    }
  }
  LogError("{}; this line comes once", Describe(action, error));
}

}  // namespace veneer
