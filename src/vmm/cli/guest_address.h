// How a guest that runs is found: by its name, or by its control socket.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/control/control_client.h"

namespace veneer {

// How long an answer is waited for: longer than the time a guest gets to take a shutdown
// (StoreControl::kAnswerLimitNs).
inline constexpr std::chrono::seconds kReplyLimit{20};

struct GuestAddress {
  std::string name;
  std::string socket;  // path; empty: the usual place
};

// UsageError for what cannot be a name.
Result<std::string> SocketOf(const GuestAddress& guest);

// Nobody listens at `path`, which is the guest's.
tl::unexpected<Error> NoSuchGuest(const GuestAddress& guest, const std::string& path);

// A guest that ends closes its streams once it has given up its socket: false if it runs on, and
// so has dropped the one who asks.
bool HasEnded(const GuestAddress& guest);

// HostError if no such guest runs.
Result<std::unique_ptr<ControlClient>> ConnectTo(const GuestAddress& guest);

}  // namespace veneer
