// Building blocks of firmware tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace veneer {

using TableBytes = std::vector<std::byte>;

template <typename T>
void Append(TableBytes& bytes, const T& value) {
  const auto raw = std::as_bytes(std::span(&value, 1));
  bytes.insert(bytes.end(), raw.begin(), raw.end());
}

// The value that makes all bytes add up to zero, if the checksum field in them is zero.
inline std::uint8_t TableChecksum(std::span<const std::byte> bytes) {
  unsigned sum = 0;
  for (const std::byte b : bytes) {
    sum += std::to_integer<unsigned>(b);
  }
  return static_cast<std::uint8_t>(0U - sum);
}

}  // namespace veneer
