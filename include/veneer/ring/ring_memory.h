// The pages of a shared ring (<xen/io/ring.h>), which need not lie side by side.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "veneer/memory/gpa.h"

namespace veneer {

// Not thread-safe: belongs to the thread that serves the ring. The guest can change every byte at
// any time; whatever is read here is a snapshot.
class RingMemory {
 public:
  // Each page is kPageSize bytes that stay mapped as long as this object; at least one.
  explicit RingMemory(std::vector<std::span<std::byte>> pages);

  std::size_t size() const { return pages_.size() * kPageSize; }  // bytes

  // Copies once, also across pages. CHECKs that [offset, offset + size) lies within the ring.
  void Read(std::size_t offset, std::span<std::byte> out) const;
  void Write(std::size_t offset, std::span<const std::byte> data);

  // A word both sides update. CHECKs that `offset` is a multiple of 4 within the ring.
  std::atomic_ref<std::uint32_t> Word(std::size_t offset);

 private:
  std::vector<std::span<std::byte>> pages_;
};

}  // namespace veneer
