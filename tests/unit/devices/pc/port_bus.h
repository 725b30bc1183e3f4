// A port bus with the accesses as a guest writes them.
#pragma once

#include <cstdint>

#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/bus/bus.h"

namespace veneer {

struct PortBus {
  Counter unclaimed;
  Bus bus{"port", unclaimed};

  std::uint8_t In8(std::uint64_t port) { return static_cast<std::uint8_t>(bus.Read(port, 1)); }
  std::uint16_t In16(std::uint64_t port) { return static_cast<std::uint16_t>(bus.Read(port, 2)); }
  std::uint32_t In32(std::uint64_t port) { return static_cast<std::uint32_t>(bus.Read(port, 4)); }
  void Out8(std::uint64_t port, std::uint64_t value) { bus.Write(port, 1, value); }
  void Out16(std::uint64_t port, std::uint64_t value) { bus.Write(port, 2, value); }
  void Out32(std::uint64_t port, std::uint64_t value) { bus.Write(port, 4, value); }
};

}  // namespace veneer
