// One run: a guest's end of a TCP connection, spoken in frames, and a server at the host's
// loopback.
#pragma once

#include <cstdint>

#include "user_bench.h"
#include "veneer/vmm/base/result.h"

namespace veneer::bench {

enum class Direction { kToHost, kToGuest };

struct UserOutcome {
  double gbit_per_second = 0;
  double cpu_ns_per_kib = 0;  // of the thread that runs the network
};

// The run goes through UserLink, as a NIC's queue uses it.
Result<UserOutcome> RunUserLink(const UserBenchOptions& options, Direction direction);
// The same connection, with libslirp called from a poll() loop as its authors do.
Result<UserOutcome> RunSlirp(const UserBenchOptions& options, Direction direction);

}  // namespace veneer::bench
