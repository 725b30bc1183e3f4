// What both kinds of run share: the server, and the clock.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <thread>

#include "support/host_sockets.h"
#include "support/tiny_tcp.h"
#include "user_run.h"

namespace veneer::bench {

// Reads or writes as fast as it can, on a thread of its own, until the connection ends.
class LoopbackServer {
 public:
  explicit LoopbackServer(Direction direction);
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;
  ~LoopbackServer();
  std::uint16_t port() const { return listener_.port(); }

 private:
  void Serve(Direction direction) const;
  const testing::HostSocket listener_ = testing::HostSocket::Bound(SOCK_STREAM);
  std::thread thread_;
};

// The measured part of a connection, from its establishment on.
class Stopwatch {
 public:
  Stopwatch(const testing::TinyTcp& guest, double seconds) : guest_(guest), seconds_(seconds) {}
  // Looked at once in a while; false when the time is up.
  bool GoesOn();
  UserOutcome Outcome() const;

 private:
  using Clock = std::chrono::steady_clock;
  std::uint64_t Moved() const { return guest_.acknowledged() + guest_.received(); }
  static double CpuSeconds();

  const testing::TinyTcp& guest_;
  const double seconds_;
  bool running_ = false;
  Clock::time_point begin_;
  double begin_cpu_ = 0;
  std::uint64_t begin_moved_ = 0;
  double elapsed_ = 0;
};

}  // namespace veneer::bench
