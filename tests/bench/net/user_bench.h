// TCP through a user-mode network, against libslirp driven directly.
#pragma once

#include <cstdint>

#include <nlohmann/json_fwd.hpp>

#include "veneer/vmm/base/result.h"

namespace veneer::bench {

struct UserBenchOptions {
  double seconds = 2;  // of one run
  unsigned rounds = 5;
  std::uint32_t mtu = 32768;  // bytes; what a UserLink takes at most
};

// Prints as it goes; adds what it found to `json`.
Result<void> RunUserBench(const UserBenchOptions& options, nlohmann::json& json);

}  // namespace veneer::bench
