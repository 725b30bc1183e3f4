// `veneer list` and `veneer wait`: the guests of this user that run now.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "guest_address.h"
#include "veneer/vmm/base/result.h"

namespace veneer {

// One guest's name and its answer to "info", empty if it gave none in time.
struct ListedGuest {
  std::string name;
  std::string info;
};

// Asks each guest with a control socket in `folder`, in the order of their names, and waits at most
// `limit` for each. One without any is no error: nobody has made the folder yet.
Result<std::vector<ListedGuest>> FindGuests(const std::string& folder,
                                            std::chrono::milliseconds limit);

// A line for each below a line of headings.
std::string GuestTable(std::span<const ListedGuest> guests);
// An array of their answers, on one line.
std::string GuestJson(std::span<const ListedGuest> guests);

// Both return the process' exit code.
int ListCommand(bool json);

struct WaitOptions {
  GuestAddress guest;
  unsigned timeout_seconds = 0;  // 0: none
};

// Until the guest has ended, for good: a reboot is no end.
int WaitCommand(const WaitOptions& options);

}  // namespace veneer
