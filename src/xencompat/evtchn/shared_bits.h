// Atomic bit operations on bitmaps shared with the guest.
#pragma once

#include <cstddef>
#include <cstdint>

#include "veneer/vmm/memory/guest_memory.h"

namespace veneer {

// On a little-endian machine bit n of an array of 64-bit words is bit n of the same memory as an
// array of 32-bit words, so one set of functions serves both guest widths.
inline std::atomic_ref<std::uint32_t> BitmapWord(std::byte* bitmap, std::uint32_t bit) {
  return SharedWord<std::uint32_t>(bitmap + std::size_t{bit / 32U} * sizeof(std::uint32_t));
}
inline std::uint32_t BitMask(std::uint32_t bit) { return std::uint32_t{1} << (bit % 32U); }

inline bool TestBit(std::byte* bitmap, std::uint32_t bit) {
  return (BitmapWord(bitmap, bit).load() & BitMask(bit)) != 0;
}
// The value before.
inline bool TestAndSetBit(std::byte* bitmap, std::uint32_t bit) {
  return (BitmapWord(bitmap, bit).fetch_or(BitMask(bit)) & BitMask(bit)) != 0;
}
inline bool TestAndClearBit(std::byte* bitmap, std::uint32_t bit) {
  return (BitmapWord(bitmap, bit).fetch_and(~BitMask(bit)) & BitMask(bit)) != 0;
}

}  // namespace veneer
