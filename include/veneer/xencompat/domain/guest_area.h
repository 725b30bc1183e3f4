// A structure that a guest has registered by its virtual address, kept by where it is physically.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "veneer/vmm/memory/gpa.h"
#include "veneer/vmm/memory/guest_memory.h"

namespace veneer {

// Resolved once, when the guest registers it: guests keep such areas in the kernel's linear
// mapping, and following their page tables later would need the vCPU. At most a page long, so at
// most two pieces.
class GuestArea {
 public:
  // The physical address behind a virtual one, or nothing.
  using Translate = std::function<std::optional<Gpa>(std::uint64_t)>;

  // nullopt if part of [address, address + size) is not mapped or not RAM. `size` is 1 to
  // kPageSize.
  static std::optional<GuestArea> Resolve(const GuestMemory& memory, const Translate& translate,
                                          std::uint64_t address, std::size_t size);

  // Where it is if it is in one piece.
  std::optional<Gpa> Contiguous() const;
  std::size_t size() const { return pieces_[0].length + pieces_[1].length; }
  // `offset` + `data.size()` must not exceed size().
  void Write(GuestMemory& memory, std::size_t offset, std::span<const std::byte> data) const;

 private:
  struct Piece {
    Gpa gpa;
    std::size_t length = 0;
  };
  std::array<Piece, 2> pieces_{};
};

}  // namespace veneer
