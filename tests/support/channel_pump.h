// The thread of a NIC in a test: moves frames both ways and sleeps as NetChannel tells it to.
#pragma once

#include <sys/epoll.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <span>
#include <vector>

#include "support/guest_frames.h"
#include "support/tiny_tcp.h"
#include "veneer/host/net/net_link.h"
#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer::testing {

class ChannelPump {
 public:
  // How long it waits for what must happen.
  static constexpr std::chrono::seconds kPatience{60};

  explicit ChannelPump(NetChannel& channel) : channel_(channel), room_(kMaxFrame) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    VENEER_CHECK(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, channel.ready_fd(), &event) == 0);
  }

  NetSent Send(Frame frame, const virtio_net_hdr& header = {}) {
    const iovec piece{frame.data(), frame.size()};
    return channel_.Send(header, std::span(&piece, 1));
  }
  void Serve(TinyTcp& connection) { connections_.push_back(&connection); }
  // Every frame that has come and is of no connection. ARP about the guest is answered besides.
  std::vector<Frame> frames;

  // Goes on until `done`; false when patience ends.
  bool Until(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!done()) {
      if (MoveFrames() || channel_.Arm()) {
        continue;
      }
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          deadline - std::chrono::steady_clock::now());
      epoll_event event{};
      if (left.count() <= 0 ||
          epoll_wait(epoll_.get(), &event, 1, static_cast<int>(left.count())) == 0) {
        return false;
      }
      channel_.OnReady();
    }
    return true;
  }
  // Until a frame has come that `wanted` likes; empty when patience ends.
  Frame WaitFor(const std::function<bool(const Frame&)>& wanted) {
    std::size_t seen = 0;
    Frame found;
    static_cast<void>(Until([&] {
      for (; seen < frames.size() && found.empty(); ++seen) {
        found = wanted(frames[seen]) ? frames[seen] : Frame();
      }
      return !found.empty();
    }));
    return found;
  }

  // Everything that is there now, both ways. True if anything was.
  bool MoveFrames() {
    bool moved = false;
    const iovec piece{room_.data(), room_.size()};
    virtio_net_hdr header{};
    while (const auto size = channel_.Receive(header, std::span(&piece, 1))) {
      moved = true;
      Take(std::span(room_).first(*size));
    }
    for (TinyTcp* const connection : connections_) {
      while (const auto out = connection->Next()) {
        moved = true;
        VENEER_CHECK(channel_.Send(out->header, out->pieces) == NetSent::kSent);
      }
    }
    return moved;
  }

 private:
  void Take(std::span<const std::byte> frame) {
    if (At16(frame, 12) == kArp && At16(frame, 20) == 1 && At32(frame, 38) == kGuestIp) {
      static_cast<void>(Send(ArpFrame(2, kGuestIp, At32(frame, 28))));
    }
    const bool taken = std::any_of(connections_.begin(), connections_.end(),
                                   [&](TinyTcp* connection) { return connection->Input(frame); });
    if (!taken) {
      frames.emplace_back(frame.begin(), frame.end());
    }
  }

  NetChannel& channel_;
  const UniqueFd epoll_{epoll_create1(EPOLL_CLOEXEC)};
  std::vector<std::byte> room_;
  std::vector<TinyTcp*> connections_;
};

}  // namespace veneer::testing
