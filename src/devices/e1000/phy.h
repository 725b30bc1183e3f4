// The NIC's PHY, a Marvell 88E1011 whose cable is always plugged in, behind the register MDIC.
#pragma once

#include <array>
#include <cstdint>

namespace veneer {

class E1000Phy {
 public:
  E1000Phy() { Reset(); }
  void Reset();
  // What MDIC reads as after `request` was written to it.
  std::uint32_t Access(std::uint32_t request);

 private:
  void Write(unsigned reg, std::uint16_t value);

  static constexpr unsigned kRegisters = 32;
  std::array<std::uint16_t, kRegisters> registers_{};
};

}  // namespace veneer
