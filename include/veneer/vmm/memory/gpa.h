// Guest physical addresses and page arithmetic.
#pragma once

#include <compare>
#include <cstdint>

namespace veneer {

inline constexpr std::uint64_t kPageSize = 4096;  // bytes
inline constexpr unsigned kPageShift = 12;

// A guest physical address, in bytes.
struct Gpa {
  std::uint64_t value = 0;

  friend auto operator<=>(Gpa, Gpa) = default;
  // Wraps like the guest's own arithmetic; ranges are checked where memory is touched.
  friend Gpa operator+(Gpa a, std::uint64_t bytes) { return Gpa{a.value + bytes}; }
  std::uint64_t PageOffset() const { return value & (kPageSize - 1); }
  Gpa PageBase() const { return Gpa{value & ~(kPageSize - 1)}; }
};

// A guest frame number: a guest physical address in pages.
struct Gfn {
  std::uint64_t value = 0;

  friend auto operator<=>(Gfn, Gfn) = default;
  // False when the frame lies outside any 64-bit address.
  bool Addressable() const { return value < (std::uint64_t{1} << (64 - kPageShift)); }
  Gpa Address() const { return Gpa{value << kPageShift}; }
  static Gfn Of(Gpa gpa) { return Gfn{gpa.value >> kPageShift}; }
};

}  // namespace veneer
