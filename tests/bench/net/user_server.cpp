#include "user_server.h"

#include <sys/socket.h>

#include <vector>

namespace veneer::bench {

using testing::HostSocket;
using testing::Pattern;
using testing::TcpPattern;

LoopbackServer::LoopbackServer(Direction direction)
    : thread_([this, direction] { Serve(direction); }) {}

LoopbackServer::~LoopbackServer() {
  shutdown(listener_.fd(), SHUT_RDWR);
  thread_.join();
}

void LoopbackServer::Serve(Direction direction) const {
  const HostSocket connection = listener_.Accept();
  if (direction == Direction::kToGuest) {
    const auto data = Pattern().At(0, TcpPattern::kLongest);
    while (send(connection.fd(), data.data(), data.size(), MSG_NOSIGNAL) > 0) {
    }
    return;
  }
  std::vector<std::byte> buffer(std::size_t{1} << 18U);
  while (recv(connection.fd(), buffer.data(), buffer.size(), 0) > 0) {
  }
}

double Stopwatch::CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

bool Stopwatch::GoesOn() {
  const Clock::time_point now = Clock::now();
  if (!running_) {
    if (guest_.established()) {
      running_ = true;
      begin_ = now;
      begin_cpu_ = CpuSeconds();
      begin_moved_ = Moved();
    }
    return true;
  }
  elapsed_ = std::chrono::duration<double>(now - begin_).count();
  return elapsed_ < seconds_;
}

UserOutcome Stopwatch::Outcome() const {
  const auto moved = static_cast<double>(Moved() - begin_moved_);
  return {.gbit_per_second = moved * 8 / 1e9 / elapsed_,
          .cpu_ns_per_kib = (CpuSeconds() - begin_cpu_) * 1e9 / (moved / 1024)};
}

}  // namespace veneer::bench
