// Where the characters go that a guest writes to a serial or debug port.
#pragma once

#include <cstddef>
#include <span>

namespace veneer {

// Called on vCPU threads, never by two at once for the same device, without a lock that the device
// needs for anything but output. What it cannot take it drops: the guest must not wait for it.
class CharacterSink {
 public:
  virtual ~CharacterSink() = default;
  virtual void Write(std::span<const std::byte> text) = 0;
};

}  // namespace veneer
