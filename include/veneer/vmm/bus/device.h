// What a device on the port or memory bus looks like to the bus.
#pragma once

#include <cstdint>

namespace veneer {

// A register window. Both calls come from vCPU threads, several at once for different vCPUs: a
// device with state locks for itself. `offset` is in bytes from the start of the window the device
// was attached with, `size` is 1, 2, 4 or 8 bytes and stays inside the window.
class BusDevice {
 public:
  virtual ~BusDevice() = default;
  // Little-endian value in the low `size` bytes; the rest is ignored.
  virtual std::uint64_t Read(std::uint64_t offset, unsigned size) = 0;
  // `value` has only its low `size` bytes set.
  virtual void Write(std::uint64_t offset, unsigned size, std::uint64_t value) = 0;
};

// All-ones of `size` bytes: what a read of nothing returns on a PC.
constexpr std::uint64_t AllOnes(unsigned size) {
  return size >= 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (size * 8U)) - 1U;
}

}  // namespace veneer
