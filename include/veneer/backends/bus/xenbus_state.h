// The state of either end of a PV device, after <xen/io/xenbus.h>.
#pragma once

#include <cstdint>
#include <string_view>

namespace veneer {

enum class XenbusState : std::uint8_t {
  kUnknown = 0,  // no such node, or not a state
  kInitialising = 1,
  kInitWait = 2,
  kInitialised = 3,
  kConnected = 4,
  kClosing = 5,
  kClosed = 6,
  kReconfiguring = 7,
  kReconfigured = 8,
};

// "Connected", for logs.
std::string_view XenbusStateName(XenbusState state);
// What a state node holds: a decimal number; kUnknown for anything else.
XenbusState ParseXenbusState(std::string_view text);

}  // namespace veneer
