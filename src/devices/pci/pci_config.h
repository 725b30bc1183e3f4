// Registers of a type 0 configuration header (PCI Local Bus Specification 3.0, chapter 6).
#pragma once

#include <cstdint>

namespace veneer::pci {

inline constexpr std::uint8_t kVendor = 0x00;
inline constexpr std::uint8_t kDevice = 0x02;
inline constexpr std::uint8_t kCommand = 0x04;
inline constexpr std::uint8_t kStatus = 0x06;
inline constexpr std::uint8_t kRevision = 0x08;
inline constexpr std::uint8_t kProgrammingInterface = 0x09;
inline constexpr std::uint8_t kSubclass = 0x0a;  // and the base class at 0x0b
inline constexpr std::uint8_t kCacheLineSize = 0x0c;
inline constexpr std::uint8_t kHeaderType = 0x0e;
inline constexpr std::uint8_t kBars = 0x10;
inline constexpr std::uint8_t kSubsystemVendor = 0x2c;
inline constexpr std::uint8_t kSubsystem = 0x2e;
inline constexpr std::uint8_t kCapabilities = 0x34;
inline constexpr std::uint8_t kInterruptLine = 0x3c;
inline constexpr std::uint8_t kInterruptPin = 0x3d;

// Command.
inline constexpr std::uint16_t kCommandIo = 0x0001;
inline constexpr std::uint16_t kCommandMemory = 0x0002;
inline constexpr std::uint16_t kCommandIntxDisable = 0x0400;
// I/O, memory, bus master, parity, SERR, INTx disable.
inline constexpr std::uint16_t kCommandBits = 0x0547;

// Status.
inline constexpr std::uint16_t kStatusInterrupt = 0x0008;
inline constexpr std::uint16_t kStatusCapabilities = 0x0010;

inline constexpr std::uint32_t kBarIsIo = 0x1;
inline constexpr std::uint32_t kBarIsPrefetchable = 0x8;
inline constexpr std::uint8_t kMultiFunction = 0x80;
inline constexpr std::uint8_t kIntA = 1;

}  // namespace veneer::pci
