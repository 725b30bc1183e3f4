#include "net_queue.h"

#include <sys/epoll.h>

#include <utility>

#include "veneer/vmm/base/log.h"

namespace veneer {

NetQueue::NetQueue(NicState& nic, GrantTable& grants, EventLoop& loop, NetConnection connection)
    : PolledQueue(loop, nic.config.poll_us, nic.counters.queues),
      nic_(nic),
      connection_(std::move(connection)),
      channel_(*connection_.channel),
      transmitter_(nic, grants, channel_, connection_.tx_ring.page()),
      receiver_(nic, grants, channel_, connection_.rx_ring.page(), connection_.abilities) {
  const auto added = loop.AddFd(channel_.ready_fd(), EPOLLIN | EPOLLET, [this](std::uint32_t) {
    channel_.OnReady();
    Serve();
  });
  if (!added) {
    // A guest may connect again and again.
    static LogLimiter limiter;
    LogGuest(limiter, "NIC {}: {}", nic_.number, added.error().message);
    Break();
  }
}

NetQueue::~NetQueue() { loop().RemoveFd(channel_.ready_fd()); }

void NetQueue::Serve() {
  ServeInTurns([this](std::uint64_t now_ns) { return LookForWork(now_ns); },
               [this](std::uint64_t) { return ReadyToSleep(); });
}

PolledQueue::Look NetQueue::LookForWork(std::uint64_t now_ns) {
  if (stopping_ || broken_) {
    return Look::kOver;
  }
  const bool progress = Move(now_ns);
  Publish();
  return progress ? Look::kWorked : Look::kNothing;
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
  WaitForLimit(delay, now_ns);
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

std::string NetQueue::Report() {
  const auto port = [](const BoundPort& bound) { return bound.port().value; };
  return fmt::format(
      "ports {} and {} of domain 0, transmit: {}; receive: {}{}{}", port(connection_.tx_port),
      port(connection_.rx_port ? *connection_.rx_port : connection_.tx_port), transmitter_.Report(),
      receiver_.Report(), WaitsForLimit() ? ", waits for its rate limit" : "",
      stopping_ ? ", stopping" : "");
}

}  // namespace veneer
