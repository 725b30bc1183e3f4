// A NIC's host side that is a tap of the host's (Linux's Documentation/networking/tuntap.rst).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "veneer/host/net/net_link.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer {

// Takes the tap that has this name, or makes one, which is gone with this object, and puts it up.
// UsageError for what the user can mend: no permission, a tap that is in use, no such bridge, a
// script that fails.
Result<std::unique_ptr<NetLink>> OpenTapLink(const TapNet& tap, const NetConfig& config);

}  // namespace veneer
