// Keeps from libslirp what would make it grow without a limit of its own: IPv4 fragments, which it
// holds for half a minute, and connections beyond what a process can have.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "veneer/vmm/base/token_bucket.h"

namespace veneer {

// One thread at a time.
class SlirpGuard {
 public:
  // Fragments, bytes each second; each counts for kLeastFragment at least.
  static constexpr std::uint64_t kFragmentRate = std::uint64_t{1} << 20U;
  static constexpr std::uint64_t kLeastFragment = 8192;
  // Sockets from which on the guest gets no more: a process can usually have 1024 files.
  static constexpr std::size_t kMaxSockets = 512;

  // Whether libslirp, which has `sockets` now, shall see the frame. `now_ns`: CLOCK_MONOTONIC.
  bool Admits(std::span<const std::byte> frame, std::size_t sockets, std::uint64_t now_ns);

 private:
  TokenBucket fragments_{kFragmentRate};
};

}  // namespace veneer
