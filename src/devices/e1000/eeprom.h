// The NIC's EEPROM, read bit by bit over its serial lines (Microwire) or by a register.
#pragma once

#include <array>
#include <cstdint>

#include "veneer/host/net/net_config.h"

namespace veneer {

class E1000Eeprom {
 public:
  static constexpr unsigned kWords = 64;

  explicit E1000Eeprom(const MacAddress& mac);

  std::uint16_t word(unsigned index) const { return words_[index % kWords]; }
  // The registers EECD and EERD. Nothing can be written to the EEPROM itself.
  std::uint32_t ReadControl() const;
  void WriteControl(std::uint32_t value);
  // What a read that is started this way gives.
  std::uint32_t ReadWord(std::uint32_t request) const;

 private:
  std::array<std::uint16_t, kWords> words_{};
  std::uint32_t lines_ = 0;
  std::uint32_t shifted_in_ = 0;
  unsigned bits_in_ = 0;
  bool reading_ = false;
  unsigned bit_out_ = 0;  // of all words' bits, the highest of each first
};

}  // namespace veneer
