// How interrupts are signalled: ACPI took these values over from the MP specification.
#pragma once

#include <cstdint>

namespace veneer {

inline constexpr std::uint16_t kAsTheBus = 0;
inline constexpr std::uint16_t kActiveHighLevel = 0x000d;

}  // namespace veneer
