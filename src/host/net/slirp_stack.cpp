#include "slirp_stack.h"

#include <sys/resource.h>
#include <sys/types.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "plain_frame.h"
#include "slirp_guard.h"
#include "veneer/vmm/base/clock.h"

namespace veneer {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
// What libslirp asks for when it needs no waking: it has no better word for it.
constexpr std::uint32_t kNothingToDoMs = 1000;

// Frames that go in without a look at the sockets.
constexpr unsigned kMostInputs = 64;

// The places of a network, as QEMU's user networks have them.
constexpr std::uint32_t kHost = 2;
constexpr std::uint32_t kNameServer = 3;
constexpr std::uint32_t kFirstGuest = 15;

std::size_t FilesOfProcess() {
  rlimit limit{};
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

std::int64_t NowNs() { return static_cast<std::int64_t>(HostClock().MonotonicNs()); }

in_addr Address(std::uint32_t host_order) { return in_addr{htonl(host_order)}; }

// Unique local addresses: guests prefer IPv4 to them, which works on hosts without IPv6 too.
in6_addr Address6(std::uint8_t host) {
  in6_addr address{};
  address.s6_addr[0] = 0xfd;
  address.s6_addr[15] = host;
  return address;
}

SlirpConfig Configuration(const UserNet& net, std::uint32_t mtu) {
  constexpr std::uint8_t kPrefix6 = 64;
  SlirpConfig config{};
  config.version = 4;
  config.restricted = net.restricted ? 1 : 0;
  config.in_enabled = true;
  config.vnetwork = Address(net.network);
  config.vnetmask = Address(~std::uint32_t{0} << (32 - net.prefix));
  config.vhost = Address(net.network + kHost);
  config.vdhcp_start = Address(net.network + kFirstGuest);
  config.vnameserver = Address(net.name_server.value_or(net.network + kNameServer));
  config.disable_host_loopback = !net.host_loopback;
  config.in6_enabled = true;
  config.vprefix_addr6 = Address6(0);
  config.vprefix_len = kPrefix6;
  config.vhost6 = Address6(kHost);
  config.vnameserver6 = Address6(kNameServer);
  config.if_mtu = mtu;
  config.if_mru = mtu;
  return config;
}

}  // namespace

const SlirpCb& SlirpStack::Callbacks() {
  static const SlirpCb callbacks = [] {
    SlirpCb cb{};
    cb.send_packet = [](const void* frame, std::size_t size, void* self) {
      static_cast<SlirpStack*>(self)->OnFrame({static_cast<const std::byte*>(frame), size});
      return static_cast<ssize_t>(size);  // also if dropped: TCP sends it again
    };
    cb.guest_error = [](const char* message, void* self) {
      LogGuest(static_cast<SlirpStack*>(self)->limiter_, "user-mode network: {}", message);
    };
    cb.clock_get_ns = [](void*) { return NowNs(); };
    cb.timer_new = [](SlirpTimerCb callback, void* argument, void* self) -> void* {
      auto timer = std::make_unique<Timer>(Timer{callback, argument, {}});
      Timer* const key = timer.get();
      static_cast<SlirpStack*>(self)->timers_.emplace(key, std::move(timer));
      return key;
    };
    cb.timer_free = [](void* timer, void* self) {
      static_cast<SlirpStack*>(self)->timers_.erase(static_cast<Timer*>(timer));
    };
    cb.timer_mod = [](void* timer, std::int64_t expiry_ms, void*) {
      static_cast<Timer*>(timer)->expiry_ms = expiry_ms;
    };
    cb.register_poll_fd = [](int fd, void* self) {
      static_cast<SlirpStack*>(self)->open_.insert(fd);
    };
    cb.unregister_poll_fd = [](int fd, void* self) {
      auto& stack = *static_cast<SlirpStack*>(self);
      stack.sockets_.Forget(fd);
      stack.open_.erase(fd);
      stack.closed_ = true;
    };
    cb.notify = [](void* self) { static_cast<SlirpStack*>(self)->changed_ = true; };
    return cb;
  }();
  return callbacks;
}

Result<std::unique_ptr<SlirpStack>> SlirpStack::Create(const UserNet& net, std::uint32_t mtu) {
  VENEER_TRY_ASSIGN(const SlirpApi* api, LoadSlirpApi());
  VENEER_TRY_ASSIGN(SlirpSockets sockets, SlirpSockets::Create());
  std::unique_ptr<SlirpStack> stack(new SlirpStack(*api, std::move(sockets)));
  stack->most_sockets_ = SlirpGuard::MaxSockets(FilesOfProcess());
  const SlirpConfig config = Configuration(net, mtu);
  const MutexLock lock(SlirpMutex());
  stack->slirp_ = api->new_(&config, &Callbacks(), stack.get());
  if (stack->slirp_ == nullptr) {
    return HostError("libslirp cannot make a user-mode network");
  }
  const Result<void> forwarded = stack->Forward(net);
  if (!forwarded) {
    api->cleanup_(std::exchange(stack->slirp_, nullptr));
    return tl::unexpected(forwarded.error());
  }
  // Tells it the time, which it otherwise takes to be 0 until something is ready: what the guest
  // opens before that would be hours old at once, and closed.
  constexpr int kNothingReady = 1;
  api->pollfds_poll_(stack->slirp_, kNothingReady, nullptr, nullptr);
  stack->Fill();
  return stack;
}

SlirpStack::~SlirpStack() {
  if (slirp_ != nullptr) {
    const MutexLock lock(SlirpMutex());
    api_.cleanup_(slirp_);
  }
}

Result<void> SlirpStack::Forward(const UserNet& net) {
  for (const HostForward& forward : net.forwards) {
    in_addr host{};
    in_addr guest{};  // 0: the first that DHCP gives out
    if (inet_pton(AF_INET, forward.host_address.c_str(), &host) != 1 ||
        (!forward.guest_address.empty() &&
         inet_pton(AF_INET, forward.guest_address.c_str(), &guest) != 1)) {
      return UsageError("hostfwd: '{}' or '{}' is no IPv4 address", forward.host_address,
                        forward.guest_address);
    }
    errno = 0;
    if (api_.add_hostfwd_(slirp_, forward.udp ? 1 : 0, host, forward.host_port, guest,
                          forward.guest_port) == 0) {
      continue;
    }
    const char* const kind = forward.udp ? "UDP" : "TCP";
    if (errno == EADDRINUSE) {
      return UsageError("hostfwd: {} port {} of {} is in use already; choose another", kind,
                        forward.host_port, forward.host_address);
    }
    return ErrnoError(errno, fmt::format("hostfwd: cannot listen at {} port {} of {}", kind,
                                         forward.host_port, forward.host_address));
  }
  return {};
}

void SlirpStack::OnDropped(const char* what) {
  LogGuest(limiter_, "user-mode network: dropped {}", what);
}

bool SlirpStack::Input(std::span<const std::byte> frame) {
  if (FragmentQueue::IsFragment(frame)) {
    const std::uint64_t dropped = fragments_.dropped();
    const auto whole = fragments_.Take(frame, HostClock().MonotonicNs());
    if (fragments_.dropped() != dropped) {
      OnDropped("datagrams whose fragments are not all there, overlap or are too many");
    }
    if (!whole) {
      return fragments_.dropped() == dropped;
    }
    frame = *whole;
  }
  if (!SlirpGuard::Admits(frame, open_.size(), most_sockets_)) {
    OnDropped("what would open more connections than it may have at once");
    return false;
  }
  if (!segments_.Admits(frame)) {
    OnDropped("TCP segments that are too far ahead of those that are missing");
    return false;
  }
  {
    const MutexLock lock(SlirpMutex());
    changed_ = true;
    closed_ = false;
    api_.input_(slirp_, reinterpret_cast<const std::uint8_t*>(frame.data()),  // bytes, the C way
                static_cast<int>(frame.size()));
  }
  segments_.Taken(closed_);
  // The host's side of a guest that only sends must get on, and the guard know how many sockets
  // there are.
  if (++inputs_ == kMostInputs) {
    Advance();
  }
  return true;
}

void SlirpStack::OnFrame(std::span<const std::byte> frame) {
  segments_.Sent(frame);
  if (!room_.empty()) {
    in_room_ = PutFrame(frame, std::exchange(room_, {}));
    return;
  }
  if (!queue_.Push(frame)) {
    OnDropped("frames that the guest does not take in time");
  }
}

std::optional<std::size_t> SlirpStack::Output(std::span<const iovec> room) {
  if (!queue_.empty()) {
    const std::size_t size = PutFrame(queue_.Front(), room);
    queue_.Pop();
    return size;
  }
  // What comes out first is spared the way through the queue.
  in_room_.reset();
  room_ = room;
  Advance();
  room_ = {};
  drained_ = !in_room_;
  return in_room_;
}

bool SlirpStack::Advance() {
  const MutexLock lock(SlirpMutex());
  const bool ready = sockets_.Look();
  if (!ready && !changed_) {
    return false;
  }
  RunTimers();
  // Without anything ready it still sends what has waited for the guest's answer to ARP.
  api_.pollfds_poll_(
      slirp_, 0,
      [](int index, void* self) { return static_cast<SlirpStack*>(self)->sockets_.Ready(index); },
      this);
  Fill();
  return true;
}

void SlirpStack::RunTimers() {
  const std::int64_t now_ms = NowNs() / kNsPerMs;
  // None of them frees timers, but one may set itself anew.
  for (const auto& [timer, owner] : timers_) {
    if (timer->expiry_ms && *timer->expiry_ms <= now_ms) {
      timer->expiry_ms.reset();
      timer->callback(timer->argument);
    }
  }
}

void SlirpStack::Fill() {
  changed_ = false;
  inputs_ = 0;
  std::uint32_t timeout_ms = kNothingToDoMs;
  // As many as there may be are there: those who knock wait.
  sockets_.Begin(open_.size() < most_sockets_);
  api_.pollfds_fill_(
      slirp_, &timeout_ms,
      [](int fd, int events, void* self) {
        return static_cast<SlirpStack*>(self)->sockets_.Want(fd, events);
      },
      this);
  sockets_.End();
  if (open_.empty()) {
    segments_.Clear();
  }
  std::optional<std::int64_t> deadline_ns;
  const auto at_most = [&deadline_ns](std::int64_t ns) {
    deadline_ns = std::min(ns, deadline_ns.value_or(ns));
  };
  if (timeout_ms < kNothingToDoMs) {
    at_most(NowNs() + timeout_ms * kNsPerMs);
  }
  for (const auto& [timer, owner] : timers_) {
    if (timer->expiry_ms) {
      at_most(*timer->expiry_ms * kNsPerMs);
    }
  }
  if (deadline_ns) {
    sockets_.SetDeadline(static_cast<std::uint64_t>(std::max<std::int64_t>(*deadline_ns, 1)));
  }
}

bool SlirpStack::Arm() {
  const bool advanced = Advance();
  // A frame that the owner has not asked for yet, but not one that it has left there.
  return advanced || (std::exchange(drained_, false) && !queue_.empty());
}

}  // namespace veneer
