// Units that tests count in: bytes and nanoseconds.
#pragma once

#include <cstdint>

namespace veneer {

inline constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;
inline constexpr std::uint64_t kMs = 1'000'000;
inline constexpr std::uint64_t kSecond = 1000 * kMs;

}  // namespace veneer
