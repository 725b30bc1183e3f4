// A drive on an IDE cable: what carries commands out, and the registers by which it is told to.
#pragma once

#include <array>
#include <cstdint>

#include "ata.h"

namespace veneer {

// One drive's command block. The guest writes to those of both drives and reads one's.
struct TaskFile {
  std::array<std::uint8_t, 8> now{};       // as written, by ata::Register
  std::array<std::uint8_t, 8> previous{};  // what each had before its last write (48-bit commands)
  std::uint8_t error = 0;
  std::uint8_t status = 0;  // without kBusy and kDataRequest, which are the cable's to know

  void Write(std::uint64_t reg, std::uint8_t value) {
    previous[reg] = now[reg];
    now[reg] = value;
  }
  std::uint16_t Both(std::uint64_t reg) const {
    return static_cast<std::uint16_t>(now[reg] | previous[reg] << 8U);
  }
};

// Called with the cable's lock held, for one command at a time. What an answer takes is asked of
// the IdeCable; a reset drops what is not answered.
class IdeDrive {
 public:
  struct Signature {
    std::uint8_t mid;
    std::uint8_t high;
    std::uint8_t status;
  };

  virtual ~IdeDrive() = default;
  // What the drive shows of itself after a reset.
  virtual Signature signature() const = 0;
  virtual bool packet() const = 0;
  // Back to the settings of power-on.
  virtual void Reset() = 0;
  virtual void Execute(std::uint8_t command) = 0;
};

}  // namespace veneer
