// Typed access to the fields of an XSAVE area in standard format (Intel SDM vol. 1, 13.4).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include "veneer/vmm/vcpu/registers.h"

namespace veneer {

// State components (Intel SDM vol. 1, 13.1), as bits of XCR0 and XSTATE_BV.
inline constexpr std::uint64_t kXfeatureX87 = 1U << 0;
inline constexpr std::uint64_t kXfeatureSse = 1U << 1;
inline constexpr std::uint64_t kXfeatureAvx = 1U << 2;
inline constexpr unsigned kXfeaturePkruNumber = 9;

// Offsets in bytes.
inline constexpr std::size_t kFxControlWord = 0;
inline constexpr std::size_t kFxStatusWord = 2;
inline constexpr std::size_t kFxTagWord = 4;
inline constexpr std::size_t kFxOpcode = 6;
inline constexpr std::size_t kFxInstructionPointer = 8;
inline constexpr std::size_t kFxDataPointer = 16;
inline constexpr std::size_t kFxMxcsr = 24;
inline constexpr std::size_t kFxMxcsrMask = 28;
inline constexpr std::size_t kFxRegisters = 32;  // ST0 to ST7, 16 bytes each
inline constexpr std::size_t kFxXmm = 160;
inline constexpr std::size_t kFxXmmEnd = 416;
inline constexpr std::size_t kFxSize = 512;
inline constexpr std::size_t kXsaveStateBv = 512;
inline constexpr std::size_t kXsaveCompactionBv = 520;
inline constexpr std::size_t kXsaveHeaderSize = 64;
inline constexpr std::size_t kXsaveExtended = 576;

inline constexpr std::uint32_t kMxcsrReset = 0x1f80;
inline constexpr std::uint16_t kControlWordReset = 0x37f;
// AMD's misaligned-access mode.
inline constexpr std::uint32_t kMxcsrMisaligned = 1U << 17;

// The bits that the host's processor, and so the guest's, allows in MXCSR (its MXCSR_MASK).
std::uint32_t MxcsrMask();

template <typename T>
T LoadField(std::span<const std::byte> area, std::size_t offset) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, area.subspan(offset, sizeof(T)).data(), sizeof(T));
  return value;
}

template <typename T>
void StoreField(std::span<std::byte> area, std::size_t offset, std::type_identity_t<T> value) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::memcpy(area.subspan(offset, sizeof(T)).data(), &value, sizeof(T));
}

// Puts the values of the architecture's initial state where XSTATE_BV says that x87 or SSE are in
// it, so that the rest can look at the fields alone. MXCSR is valid whatever XSTATE_BV says.
void FillInitialLegacyState(XsaveArea& area);

// An x87 exception is pending: the next waiting instruction reports it.
bool X87ErrorPending(const XsaveArea& area);
// Sets or clears the summary bits of the status word after control or status word changed.
void UpdateX87Summary(XsaveArea& area);

}  // namespace veneer
