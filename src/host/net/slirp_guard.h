// Keeps from libslirp what would make it grow without a limit of its own: connections beyond what a
// process can have.
#pragma once

#include <cstddef>
#include <span>

namespace veneer {

class SlirpGuard {
 public:
  // Sockets from which on the guest gets no more, if the process may have many files.
  static constexpr std::size_t kMaxSockets = 512;

  // The same with what the process may have (RLIMIT_NOFILE), of which a quarter is for a network.
  static std::size_t MaxSockets(std::size_t files);
  // Whether libslirp, which has `sockets` now of `most`, shall see the frame.
  static bool Admits(std::span<const std::byte> frame, std::size_t sockets, std::size_t most);
};

}  // namespace veneer
