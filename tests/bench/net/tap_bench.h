// The net back-end over a tap, and a plain process over the same kind of tap beside it.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "veneer/vmm/base/result.h"

namespace veneer::bench {

struct TapBenchOptions {
  double seconds = 2;  // of one run
  unsigned rounds = 5;
  unsigned poll_us = 50;
  unsigned guest_poll_us = 50;
  bool front_sleeps = false;
  bool micro_guest = false;  // the front-end is guests/micro instead of one in this process
  bool emulated = false;     // and its NIC an e1000
  std::string only;          // workloads whose name contains this
};

// Prints as it goes; adds what it found to `json`. Moves the calling thread into a network
// namespace of its own.
Result<void> RunTapBench(const TapBenchOptions& options, nlohmann::json& json);

}  // namespace veneer::bench
