#include "phy.h"

namespace veneer {
namespace {

// MDIC.
constexpr unsigned kRegisterShift = 16;
constexpr unsigned kPhyShift = 21;
constexpr std::uint32_t kPhyAddress = 1;
constexpr std::uint32_t kWrite = 1U << 26U;
constexpr std::uint32_t kRead = 2U << 26U;
constexpr std::uint32_t kOperation = 3U << 26U;
constexpr std::uint32_t kReady = 1U << 28U;
constexpr std::uint32_t kError = 1U << 30U;
constexpr std::uint32_t kRequestBits = 0x3fffffff & ~kReady;

// Registers, IEEE 802.3 clause 22 and then Marvell's own.
constexpr unsigned kControl = 0;
constexpr unsigned kStatus = 1;
constexpr unsigned kId1 = 2;
constexpr unsigned kId2 = 3;
constexpr unsigned kAdvertisement = 4;
constexpr unsigned kPartner = 5;
constexpr unsigned kExpansion = 6;
constexpr unsigned kGigabitControl = 9;
constexpr unsigned kGigabitStatus = 10;
constexpr unsigned kExtendedStatus = 15;
constexpr unsigned kSpecificControl = 16;
constexpr unsigned kSpecificStatus = 17;
constexpr unsigned kExtendedControl = 20;

constexpr std::uint16_t kControlReset = 0x8000;
constexpr std::uint16_t kControlRestart = 0x0200;

}  // namespace

void E1000Phy::Reset() {
  registers_ = {};
  registers_[kControl] = 0x1140;  // autonegotiation, full duplex, 1000 Mb/s
  // All speeds to 100 Mb/s, extended status; negotiated, link up.
  registers_[kStatus] = 0x796d;
  registers_[kId1] = 0x0141;
  registers_[kId2] = 0x0c20;
  registers_[kAdvertisement] = 0x01e1;
  registers_[kPartner] = 0x45e1;
  registers_[kExpansion] = 0x0001;
  registers_[kGigabitControl] = 0x0e00;
  registers_[kGigabitStatus] = 0x3c00;  // both receivers are fine, the partner can do 1000 Mb/s
  registers_[kExtendedStatus] = 0x3000;
  registers_[kSpecificControl] = 0x0360;
  registers_[kSpecificStatus] = 0xac00;  // 1000 Mb/s, full duplex, resolved, link up
  registers_[kExtendedControl] = 0x0d60;
}

void E1000Phy::Write(unsigned reg, std::uint16_t value) {
  switch (reg) {
    case kControl:
      if ((value & kControlReset) != 0) {
        Reset();
      } else {
        registers_[kControl] = value & static_cast<std::uint16_t>(~kControlRestart);
      }
      break;
    case kAdvertisement:
    case kGigabitControl:
    case kSpecificControl:
    case kExtendedControl:
      registers_[reg] = value;
      break;
    default:
      break;
  }
}

std::uint32_t E1000Phy::Access(std::uint32_t request) {
  request &= kRequestBits;
  const unsigned reg = request >> kRegisterShift & (kRegisters - 1);
  if ((request >> kPhyShift & (kRegisters - 1)) != kPhyAddress) {
    return request | kReady | kError;
  }
  switch (request & kOperation) {
    case kRead:
      return (request & 0xffff0000U) | registers_[reg] | kReady;
    case kWrite:
      Write(reg, static_cast<std::uint16_t>(request));
      return request | kReady;
    default:
      return request | kReady | kError;
  }
}

}  // namespace veneer
