// The last of what was written: what comes pushes the oldest out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace veneer {

// Bytes are known by their position in all that was ever written. One thread at a time.
class OutputRing {
 public:
  // Memory is touched only as far as it is written.
  explicit OutputRing(std::size_t bytes);

  void Append(std::span<const std::byte> text);
  // The oldest byte that is kept, and the next that will come.
  std::uint64_t begin() const { return end_ > size_ ? end_ - size_ : 0; }
  std::uint64_t end() const { return end_; }
  // At most `most` bytes from `position` on, which is one of begin() to end().
  std::string Read(std::uint64_t position, std::size_t most) const;

 private:
  const std::size_t size_;
  const std::unique_ptr<std::byte[]> bytes_;
  std::uint64_t end_ = 0;
};

}  // namespace veneer
