// The sockets that libslirp waits for, and a timer, as one file descriptor.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer {

// One thread at a time.
class SlirpSockets {
 public:
  static Result<SlirpSockets> Create();

  // Readable when a socket is ready or the deadline has passed.
  int fd() const { return epoll_.get(); }

  // What is waited for, anew: Begin(), Want() for each socket, End(). `events` and what Ready()
  // returns are SLIRP_POLL_* bits; Want() returns the index for Ready(). Unless `accepting`,
  // connections wait at listening sockets until a later round.
  void Begin(bool accepting);
  int Want(int socket, int events);
  void End();
  std::size_t count() const { return wanted_.size(); }
  // The socket is about to be closed.
  void Forget(int socket);
  // CLOCK_MONOTONIC, ns; nothing: none. May be kept earlier than asked for.
  void SetDeadline(std::optional<std::uint64_t> deadline_ns);

  // Learns, without waiting, what is ready; true if anything is, or the deadline has passed.
  bool Look();
  int Ready(int index) const;

 private:
  struct Wanted {
    int socket;
    int ready;
  };
  struct Known {
    std::uint32_t events = 0;  // EPOLL* bits, as the kernel has them
    std::uint64_t round = 0;   // the last in which it was wanted
    std::size_t index = 0;     // in wanted_, in that round
    bool listening = false;
  };
  SlirpSockets() = default;
  void Watch(int operation, int socket, std::uint32_t events);

  UniqueFd epoll_;
  UniqueFd timer_;
  std::uint64_t armed_ns_ = 0;  // what timer_ is set to; 0: nothing
  std::uint64_t round_ = 0;
  bool accepting_ = true;  // in this round
  std::vector<Wanted> wanted_;
  std::unordered_map<int, Known> known_;
};

}  // namespace veneer
