// NetLink over a tap of the host's.
#pragma once

#include <memory>

#include "veneer/base/result.h"
#include "veneer/network/net_link.h"

namespace veneer {

Result<std::unique_ptr<NetLink>> OpenTapLink(const TapNet& tap, const NetConfig& config);

}  // namespace veneer
