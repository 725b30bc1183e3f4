// Packet commands and sense codes of CD-ROM drives (INCITS 430, MMC-5; INCITS 408, SPC-3).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace veneer::atapi {

enum Operation : std::uint8_t {
  kTestUnitReady = 0x00,
  kRequestSense = 0x03,
  kInquiry = 0x12,
  kStartStop = 0x1b,
  kPreventAllow = 0x1e,
  kReadCapacity = 0x25,
  kRead10 = 0x28,
  kSeek10 = 0x2b,
  kSynchronizeCache = 0x35,
  kReadToc = 0x43,
  kGetConfiguration = 0x46,
  kGetEventStatus = 0x4a,
  kReadDiscInformation = 0x51,
  kModeSense10 = 0x5a,
  kRead12 = 0xa8,
  kSetSpeed = 0xbb,
  kMechanismStatus = 0xbd,
};

// Sense keys, and codes that go with them.
inline constexpr std::uint8_t kMediumError = 0x03;
inline constexpr std::uint8_t kIllegalRequest = 0x05;
inline constexpr std::uint8_t kUnrecoveredRead = 0x11;
inline constexpr std::uint8_t kInvalidOperation = 0x20;
inline constexpr std::uint8_t kAddressOutOfRange = 0x21;
inline constexpr std::uint8_t kInvalidField = 0x24;

// Numbers in packets and replies have their high byte first.
template <typename Bytes>
std::uint16_t Get16(const Bytes& bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8U | bytes[at + 1]);
}
template <typename Bytes>
std::uint32_t Get32(const Bytes& bytes, std::size_t at) {
  return std::uint32_t{Get16(bytes, at)} << 16U | Get16(bytes, at + 2);
}

}  // namespace veneer::atapi
