#include "veneer/backends/bus/xenbus_state.h"

#include <array>

namespace veneer {

std::string_view XenbusStateName(XenbusState state) {
  constexpr std::array<std::string_view, 9> kNames{"Unknown",     "Initialising",  "InitWait",
                                                   "Initialised", "Connected",     "Closing",
                                                   "Closed",      "Reconfiguring", "Reconfigured"};
  return kNames.at(static_cast<std::size_t>(state));
}

XenbusState ParseXenbusState(std::string_view text) {
  if (text.size() != 1 || text[0] < '1' || text[0] > '8') {
    return XenbusState::kUnknown;
  }
  return static_cast<XenbusState>(text[0] - '0');
}

}  // namespace veneer
