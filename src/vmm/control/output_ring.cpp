#include "output_ring.h"

#include <algorithm>
#include <cstring>

namespace veneer {

OutputRing::OutputRing(std::size_t bytes)
    : size_(bytes), bytes_(std::make_unique_for_overwrite<std::byte[]>(bytes)) {}

void OutputRing::Append(std::span<const std::byte> text) {
  const std::size_t skipped = text.size() > size_ ? text.size() - size_ : 0;
  end_ += skipped;
  text = text.subspan(skipped);
  while (!text.empty()) {
    const std::size_t at = end_ % size_;
    const std::size_t count = std::min(text.size(), size_ - at);
    std::memcpy(bytes_.get() + at, text.data(), count);
    end_ += count;
    text = text.subspan(count);
  }
}

std::string OutputRing::Read(std::uint64_t position, std::size_t most) const {
  std::string text;
  const std::uint64_t last = position + std::min<std::uint64_t>(most, end_ - position);
  while (position < last) {
    const std::size_t at = position % size_;
    const std::size_t count = std::min<std::size_t>(last - position, size_ - at);
    // Characters are bytes.
    text.append(reinterpret_cast<const char*>(bytes_.get() + at), count);
    position += count;
  }
  return text;
}

}  // namespace veneer
