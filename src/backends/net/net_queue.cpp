#include "net_queue.h"

#include <sys/epoll.h>

#include <utility>

#include "veneer/base/clock.h"
#include "veneer/base/log.h"

namespace veneer {
namespace {

// How long Serve() keeps the thread's other work waiting.
constexpr std::uint64_t kTurnNs = 1'000'000;

std::uint64_t Now() { return HostClock().MonotonicNs(); }

}  // namespace

NetQueue::NetQueue(NicState& nic, GrantTable& grants, EventLoop& loop, NetConnection connection)
    : nic_(nic),
      loop_(loop),
      connection_(std::move(connection)),
      channel_(*connection_.channel),
      transmitter_(nic, grants, channel_, connection_.tx_ring.page()),
      receiver_(nic, grants, channel_, connection_.rx_ring.page(), connection_.abilities),
      poll_(std::uint64_t{nic.config.poll_us} * 1000) {
  const auto added = loop_.AddFd(channel_.ready_fd(), EPOLLIN | EPOLLET, [this](std::uint32_t) {
    channel_.OnReady();
    Serve();
  });
  if (!added) {
    LogError("NIC {}: {}", nic_.number, added.error().message);
    Break();
  }
}

NetQueue::~NetQueue() {
  *alive_ = false;
  loop_.RemoveFd(channel_.ready_fd());
  if (limit_timer_) {
    loop_.CancelTimer(*limit_timer_);
  }
}

void NetQueue::Serve() {
  const std::uint64_t turn_start = Now();
  std::uint64_t idle_since = turn_start;
  std::uint64_t now = turn_start;
  bool polled = false;
  while (!stopping_ && !broken_) {
    const bool progress = Move(now);
    Publish();
    now = Now();
    if (progress) {
      poll_.OnWork(now);
      if (std::exchange(polled, false)) {
        nic_.counters.polls_hit.Add();
      }
      idle_since = now;
      if (now - turn_start < kTurnNs) {
        continue;
      }
      loop_.Post([this, alive = alive_] {
        if (*alive) {
          Serve();
        }
      });
      return;
    }
    if (poll_.Open(idle_since, now)) {
      polled = true;
      __builtin_ia32_pause();
      continue;
    }
    if (ReadyToSleep()) {
      poll_.OnSleep(idle_since);
      nic_.counters.sleeps.Add();
      return;
    }
  }
}

// True if anything was moved.
bool NetQueue::Move(std::uint64_t now_ns) {
  transmitted_.reset();
  received_.reset();
  if (MayMove(nic_.tx_limit, now_ns)) {
    transmitted_ = transmitter_.Transmit(now_ns);
  }
  if (MayMove(nic_.rx_limit, now_ns)) {
    received_ = receiver_.Receive(now_ns);
  }
  if (transmitted_ == NetTransmitter::Outcome::kBroken ||
      received_ == NetReceiver::Outcome::kBroken) {
    Break();
  }
  return transmitted_ == NetTransmitter::Outcome::kWorked ||
         received_ == NetReceiver::Outcome::kWorked;
}

bool NetQueue::MayMove(const TokenBucket& limit, std::uint64_t now_ns) {
  const std::uint64_t delay = limit.DelayNs(now_ns);
  if (delay == 0) {
    return true;
  }
  if (!limit_timer_) {
    nic_.counters.throttled.Add();
    limit_timer_ = loop_.AddTimer(now_ns + delay, [this] {
      limit_timer_.reset();
      Serve();
    });
  }
  return false;
}

// Asks for every event that could bring work. False: there is some by now.
bool NetQueue::ReadyToSleep() {
  if (transmitted_ == NetTransmitter::Outcome::kNothing && transmitter_.AskForEvent()) {
    return false;
  }
  if (received_ == NetReceiver::Outcome::kNoRoom && receiver_.AskForRoom()) {
    return false;
  }
  // Frames that wait for the guest's buffers or for the rate limit are no work.
  const bool news = channel_.Arm();
  return !news || (transmitted_ != NetTransmitter::Outcome::kFull &&
                   received_ != NetReceiver::Outcome::kNothing);
}

void NetQueue::Publish() {
  const bool tx = transmitter_.Publish();
  const bool rx = receiver_.Publish();
  if (tx || (rx && !connection_.rx_port)) {
    connection_.tx_port.Notify();
  }
  if (rx && connection_.rx_port) {
    connection_.rx_port->Notify();
  }
}

void NetQueue::Break() {
  broken_ = true;
  Publish();
  connection_.on_broken();
}

void NetQueue::Stop(std::function<void()> done) {
  stopping_ = true;
  done();
}

}  // namespace veneer
