// A fuzzer's bytes, taken piece by piece; zeros when there are no more.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace veneer::testing {

class FuzzInput {
 public:
  explicit FuzzInput(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  FuzzInput(const std::uint8_t* data, std::size_t size) : FuzzInput(std::span(data, size)) {}
  bool empty() const { return bytes_.empty(); }
  std::uint64_t Take(unsigned bytes) {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < bytes && !bytes_.empty(); ++i) {
      value |= std::uint64_t{bytes_.front()} << (i * 8U);
      bytes_ = bytes_.subspan(1);
    }
    return value;
  }
  template <typename T>
  T Take() {
    T value{};
    const std::size_t size = std::min(sizeof(T), bytes_.size());
    std::memcpy(&value, bytes_.data(), size);
    bytes_ = bytes_.subspan(size);
    return value;
  }
  template <std::size_t kSize>
  void Fill(std::array<std::byte, kSize>& out) {
    const std::size_t count = std::min(kSize, bytes_.size());
    std::memcpy(out.data(), bytes_.data(), count);
    bytes_ = bytes_.subspan(count);
  }

 private:
  std::span<const std::uint8_t> bytes_;
};

}  // namespace veneer::testing
