// libslirp as its own documentation has it used: fill, poll(), tell what is ready.
#include <poll.h>

#include <cstring>
#include <deque>
#include <vector>

#include "src/host/net/plain_frame.h"
#include "src/host/net/slirp_api.h"
#include "support/guest_frames.h"
#include "user_run.h"
#include "user_server.h"
#include "veneer/vmm/base/clock.h"

namespace veneer::bench {
namespace {

constexpr std::array<std::pair<int, short>, 5> kEvents{{{SLIRP_POLL_IN, POLLIN},
                                                        {SLIRP_POLL_OUT, POLLOUT},
                                                        {SLIRP_POLL_PRI, POLLPRI},
                                                        {SLIRP_POLL_ERR, POLLERR},
                                                        {SLIRP_POLL_HUP, POLLHUP}}};

// One network, one connection.
class DirectSlirp {
 public:
  DirectSlirp(const SlirpApi& api, testing::TinyTcp& guest, std::uint32_t mtu)
      : api_(api), guest_(guest), frame_(kMaxFrame) {
    SlirpConfig config{};
    config.version = 4;
    config.in_enabled = true;
    config.vnetwork.s_addr = htonl(testing::kHostIp & 0xffffff00U);
    config.vnetmask.s_addr = htonl(0xffffff00U);
    config.vhost.s_addr = htonl(testing::kHostIp);
    config.vdhcp_start.s_addr = htonl(testing::kGuestIp);
    config.vnameserver.s_addr = htonl(testing::kNameServerIp);
    config.if_mtu = mtu;
    config.if_mru = mtu;
    slirp_ = api_.new_(&config, &Callbacks(), this);
  }
  DirectSlirp(const DirectSlirp&) = delete;
  DirectSlirp& operator=(const DirectSlirp&) = delete;
  ~DirectSlirp() { api_.cleanup_(slirp_); }

  void Round() {
    bool moved = Deliver();
    while (const auto out = guest_.Next()) {
      moved = true;
      Give(*out);
    }
    if (!moved) {
      Wait();
    }
  }

 private:
  static const SlirpCb& Callbacks() {
    static const SlirpCb callbacks = [] {
      SlirpCb cb{};
      cb.send_packet = [](const void* data, std::size_t size, void* self) {
        const auto* const bytes = static_cast<const std::byte*>(data);
        static_cast<DirectSlirp*>(self)->frames_.emplace_back(bytes, bytes + size);
        return static_cast<ssize_t>(size);
      };
      cb.guest_error = [](const char*, void*) {};
      cb.clock_get_ns = [](void*) { return static_cast<std::int64_t>(HostClock().MonotonicNs()); };
      cb.timer_new = [](SlirpTimerCb, void*, void*) -> void* { return nullptr; };
      cb.timer_free = [](void*, void*) {};
      cb.timer_mod = [](void*, std::int64_t, void*) {};
      cb.register_poll_fd = [](int, void*) {};
      cb.unregister_poll_fd = [](int, void*) {};
      cb.notify = [](void*) {};
      return cb;
    }();
    return callbacks;
  }

  bool Deliver() {
    const bool any = !frames_.empty();
    while (!frames_.empty()) {
      const testing::Frame frame = std::move(frames_.front());
      frames_.pop_front();
      if (testing::At16(frame, 12) == testing::kArp && testing::At16(frame, 20) == 1) {
        Input(testing::ArpFrame(2, testing::kGuestIp, testing::At32(frame, 28)));
      } else {
        guest_.Input(frame);
      }
    }
    return any;
  }
  // libslirp wants one piece, and the checksum in it.
  void Give(const testing::TinyTcp::Outgoing& out) {
    const auto plain = TakePlainFrame(out.header, out.pieces, frame_);
    Input(*plain);
  }
  void Input(std::span<const std::byte> frame) {
    api_.input_(slirp_, reinterpret_cast<const std::uint8_t*>(frame.data()),
                static_cast<int>(frame.size()));
  }
  void Wait() {
    std::uint32_t timeout_ms = 1000;
    polled_.clear();
    api_.pollfds_fill_(
        slirp_, &timeout_ms,
        [](int fd, int events, void* self) {
          auto& polled = static_cast<DirectSlirp*>(self)->polled_;
          short wanted = 0;
          for (const auto& [slirp, host] : kEvents) {
            wanted = static_cast<short>(wanted | ((events & slirp) != 0 ? host : 0));
          }
          polled.push_back({fd, wanted, 0});
          return static_cast<int>(polled.size() - 1);
        },
        this);
    const int ready = poll(polled_.data(), polled_.size(), static_cast<int>(timeout_ms));
    api_.pollfds_poll_(
        slirp_, ready < 0 ? 1 : 0,
        [](int index, void* self) {
          const short revents =
              static_cast<DirectSlirp*>(self)->polled_[static_cast<std::size_t>(index)].revents;
          int events = 0;
          for (const auto& [slirp, host] : kEvents) {
            events |= (revents & host) != 0 ? slirp : 0;
          }
          return events;
        },
        this);
  }

  const SlirpApi& api_;
  testing::TinyTcp& guest_;
  Slirp* slirp_ = nullptr;
  std::vector<std::byte> frame_;
  std::deque<testing::Frame> frames_;
  std::vector<pollfd> polled_;
};

}  // namespace

Result<UserOutcome> RunSlirp(const UserBenchOptions& options, Direction direction) {
  VENEER_TRY_ASSIGN(const SlirpApi* api, LoadSlirpApi());
  const LoopbackServer server(direction);
  testing::TinyTcp guest(5000, server.port(), options.mtu);
  guest.Check(false);
  if (direction == Direction::kToHost) {
    guest.Send(~std::uint64_t{0} >> 1U);
  }
  DirectSlirp slirp(*api, guest, options.mtu);
  Stopwatch watch(guest, options.seconds);
  while (watch.GoesOn()) {
    slirp.Round();
    if (guest.reset()) {
      return HostError("the connection through libslirp has ended early");
    }
  }
  return watch.Outcome();
}

}  // namespace veneer::bench
