#include "tap_link.h"

namespace veneer {

Result<std::unique_ptr<NetLink>> OpenTapLink(const TapNet&, const NetConfig&) {
  return UsageError("taps are not there yet; write --net user");
}

}  // namespace veneer
