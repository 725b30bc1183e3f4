// Guest memory by linear address: a range is translated with its rights once, then copied.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <tl/expected.hpp>

#include "completion.h"
#include "page_walker.h"
#include "veneer/vmm/memory/guest_memory.h"

namespace veneer {

// A linear range that has been translated: host memory that the guest may be writing to.
class LinearRange {
 public:
  static constexpr std::size_t kMaxSize = 2 * kPageSize;

  std::size_t size() const { return size_; }
  // Copies the whole range. Naturally aligned words of 1 to 8 bytes are copied in one access, as
  // the guest's own processor would.
  void CopyOut(std::span<std::byte> to) const;
  void CopyIn(std::span<const std::byte> from);
  // The range as one piece of host memory, or empty if it crosses a page.
  std::span<std::byte> Contiguous() const;

 private:
  friend class LinearMemory;
  std::array<std::span<std::byte>, 3> pieces_;
  std::size_t piece_count_ = 0;
  std::size_t size_ = 0;
};

class LinearMemory {
 public:
  // Looks at `system` at the time of each call; both must outlive this.
  LinearMemory(GuestMemory& memory, const SystemRegisters& system) noexcept
      : memory_(memory), system_(system) {}

  // The rights that the next calls are made with.
  void SetPrivilege(std::uint64_t rflags, unsigned cpl) {
    rflags_ = rflags;
    cpl_ = cpl;
  }

  // Else what becomes of an instruction that needs the range: Faulted or NotKnown.
  using Resolved = tl::expected<LinearRange, Completion>;
  // Translates `size` (1 to LinearRange::kMaxSize) bytes at `linear`. NotKnown where there is no
  // RAM behind the address.
  Resolved Resolve(std::uint64_t linear, std::size_t size, AccessKind access) const;

 private:
  GuestMemory& memory_;
  const SystemRegisters& system_;
  std::uint64_t rflags_ = 0;
  unsigned cpl_ = 0;
};

}  // namespace veneer
