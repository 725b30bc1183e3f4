// One network of libslirp's: frames in, frames out, everything between on the host's sockets.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>

#include "fragment_queue.h"
#include "frame_queue.h"
#include "held_segments.h"
#include "slirp_api.h"
#include "slirp_sockets.h"
#include "veneer/host/net/net_config.h"
#include "veneer/vmm/base/log.h"

namespace veneer {

// One thread at a time. Has no thread of its own: it goes on when it is called.
class SlirpStack {
 public:
  // Opens the forwarded ports. UsageError for one that is in use. `mtu`: bytes.
  static Result<std::unique_ptr<SlirpStack>> Create(const UserNet& net, std::uint32_t mtu);
  SlirpStack(const SlirpStack&) = delete;
  SlirpStack& operator=(const SlirpStack&) = delete;
  ~SlirpStack();

  // A frame of the guest's with nothing left to be done. False if it was dropped, because of some
  // limit.
  bool Input(std::span<const std::byte> frame);
  // See NetChannel::Receive().
  std::optional<std::size_t> Output(std::span<const iovec> room);
  // Does what sockets and timers wait for. True if there was anything.
  bool Advance();
  // See NetChannel::Arm().
  bool Arm();
  int ready_fd() const { return sockets_.fd(); }

 private:
  struct Timer {
    SlirpTimerCb callback;
    void* argument;
    std::optional<std::int64_t> expiry_ms;  // on the clock that libslirp is given
  };

  explicit SlirpStack(const SlirpApi& api, SlirpSockets sockets)
      : api_(api), sockets_(std::move(sockets)) {}
  static const SlirpCb& Callbacks();
  Result<void> Forward(const UserNet& net);
  void OnFrame(std::span<const std::byte> frame);
  void OnDropped(const char* what);
  void RunTimers();
  // Asks libslirp anew what it waits for.
  void Fill();

  const SlirpApi& api_;
  SlirpSockets sockets_;
  Slirp* slirp_ = nullptr;
  std::map<Timer*, std::unique_ptr<Timer>> timers_;
  FrameQueue queue_;
  FragmentQueue fragments_;
  HeldSegments segments_;
  std::set<int> open_;  // its sockets, listening ones too
  std::size_t most_sockets_ = 0;
  bool closed_ = false;   // a socket, since the last frame went in
  unsigned inputs_ = 0;   // since the last Fill()
  bool changed_ = true;   // libslirp may wait for something else now
  bool drained_ = false;  // Output() had nothing when last asked
  // Where the next frame can go at once, and the bytes that went there.
  std::span<const iovec> room_;
  std::optional<std::size_t> in_room_;
  LogLimiter limiter_;
};

}  // namespace veneer
