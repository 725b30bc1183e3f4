// The pages of a shared ring (<xen/io/ring.h>), which need not lie side by side.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "veneer/vmm/memory/gpa.h"
#include "veneer/vmm/memory/racing_copy.h"

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
  // The same for an entry, at the price of a few moves if it lies in one page.
  template <typename Entry>
  void Load(std::size_t offset, Entry& entry) const {
    const std::byte* const place = InOnePage(offset, sizeof entry);
    if (place == nullptr) {
      return Read(offset, std::as_writable_bytes(std::span(&entry, 1)));
    }
    LoadRacing(entry, place);
  }
  // `offset` is a multiple of alignof(Entry).
  template <typename Entry>
  void Store(std::size_t offset, const Entry& entry) {
    std::byte* const place = InOnePage(offset, sizeof entry);
    if (place == nullptr) {
      const Entry copy = entry;  // an object whose address is known elsewhere is no longer in parts
      return Write(offset, std::as_bytes(std::span(&copy, 1)));
    }
    StoreRacing(place, entry);
  }

  // A word both sides update. CHECKs that `offset` is a multiple of 4 within the ring.
  std::atomic_ref<std::uint32_t> Word(std::size_t offset);

 private:
  // Where so many bytes, at most a page, are; nullptr if not in one page.
  std::byte* InOnePage(std::size_t offset, std::size_t length) const {
    if (offset <= kPageSize - length) {
      return first_page_ + offset;
    }
    const bool in_one = offset < size() && offset % kPageSize + length <= kPageSize;
    return in_one ? pages_[offset / kPageSize].data() + offset % kPageSize : nullptr;
  }

  std::vector<std::span<std::byte>> pages_;
  std::byte* first_page_;  // most rings have no other
};

}  // namespace veneer
