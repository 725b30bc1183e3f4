// Network interfaces given their addresses.
#pragma once

#include <string>

namespace veneer::bench {

// The interface with this MAC ("52:54:00:12:34:56"); empty if there is none.
std::string InterfaceWithMac(const std::string& mac);

// Puts it up with the IPv4 address and a mask of 24 bits. Empty, or what went wrong.
std::string SetInterfaceAddress(const std::string& interface, const std::string& address);

}  // namespace veneer::bench
