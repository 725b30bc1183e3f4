#include "disk_state.h"

#include <algorithm>
#include <bit>
#include <system_error>

namespace veneer {
namespace {

std::string_view ActionName(DiskAction action) {
  constexpr std::array<std::string_view, 4> kNames{"reading", "writing", "flushing", "discarding"};
  return kNames.at(static_cast<std::size_t>(action));
}

}  // namespace

DiskCounters::DiskCounters(Metrics& metrics, const std::string& vdev)
    : reads(metrics.Get("disk." + vdev + ".reads")),
      writes(metrics.Get("disk." + vdev + ".writes")),
      flushes(metrics.Get("disk." + vdev + ".flushes")),
      discards(metrics.Get("disk." + vdev + ".discards")),
      read_bytes(metrics.Get("disk." + vdev + ".read_bytes")),
      written_bytes(metrics.Get("disk." + vdev + ".written_bytes")),
      merges(metrics.Get("disk." + vdev + ".merges")),
      bad_requests(metrics.Get("disk." + vdev + ".bad_requests")),
      errors(metrics.Get("disk." + vdev + ".errors")),
      kicks(metrics.Get("disk." + vdev + ".kicks")),
      notifications(metrics.Get("disk." + vdev + ".notifications")),
      suppressed(metrics.Get("disk." + vdev + ".suppressed")),
      throttled(metrics.Get("disk." + vdev + ".throttled")),
      polls_hit(metrics.Get("disk." + vdev + ".polls_hit")),
      sleeps(metrics.Get("disk." + vdev + ".sleeps")) {
  for (std::size_t i = 0; i < kLatencyBuckets; ++i) {
    latency[i] =
        &metrics.Get(i + 1 < kLatencyBuckets
                         ? fmt::format("disk.{}.latency_us.{:07}", vdev, std::uint64_t{1} << i)
                         : fmt::format("disk.{}.latency_us.more", vdev));
  }
}

void DiskCounters::CountLatency(std::uint64_t ns) {
  const std::uint64_t us = ns / 1000;
  latency[std::min<std::size_t>(std::bit_width(us), kLatencyBuckets - 1)]->Add();
}

void DiskState::LogHostError(DiskAction action, int error) {
  counters.errors.Add();
  {
    const std::scoped_lock lock(mutex_);
    if (!logged_.emplace(action, error).second) {
      return;
    }
  }
  LogError("disk {} ('{}'): {} failed: {}; the guest is told each time, this line comes once",
           config.vdev, config.path, ActionName(action), std::generic_category().message(error));
}

}  // namespace veneer
