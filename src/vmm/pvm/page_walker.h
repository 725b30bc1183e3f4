// The guest's page tables read the way its own processor would: rights are checked, accessed and
// dirty bits are set, and a refusal is the page fault the guest expects (Intel SDM vol. 3, ch. 4).
#pragma once

#include <cstdint>
#include <variant>

#include "veneer/vmm/memory/guest_memory.h"
#include "veneer/vmm/vcpu/registers.h"

namespace veneer {

enum class AccessKind { kRead, kWrite, kFetch };

// The error code that goes with a #PF at the address that was asked for.
struct PageFault {
  std::uint32_t error_code = 0;
};
// A page table lies where there is no RAM: nothing sensible can be told to the guest.
struct BrokenTables {};

using WalkResult = std::variant<Gpa, PageFault, BrokenTables>;

inline constexpr std::uint32_t kPageFaultPresent = 1U << 0;
inline constexpr std::uint32_t kPageFaultWrite = 1U << 1;
inline constexpr std::uint32_t kPageFaultUser = 1U << 2;
inline constexpr std::uint32_t kPageFaultReserved = 1U << 3;
inline constexpr std::uint32_t kPageFaultFetch = 1U << 4;

inline constexpr std::uint64_t kCr4PageSizeExtension = 1U << 4;
inline constexpr std::uint64_t kCr4FiveLevelPaging = 1U << 12;
inline constexpr std::uint64_t kCr4Smep = 1U << 20;
inline constexpr std::uint64_t kCr4Smap = 1U << 21;

// A view of one state of the system registers; make a new one after each exit. Protection keys are
// not looked at.
class PageWalker {
 public:
  // `rflags` for AC, which lifts SMAP; `cpl` 0 to 3. `memory` and `system` must outlive this.
  PageWalker(GuestMemory& memory, const SystemRegisters& system, std::uint64_t rflags,
             unsigned cpl);

  // The physical address behind `linear`. The page of it that the guest gets to see is marked as
  // accessed, and as dirty by kWrite.
  WalkResult Walk(std::uint64_t linear, AccessKind access) const;

 private:
  // The shape of the tables in the current paging mode.
  struct Shape {
    unsigned levels;
    unsigned entry_size;      // bytes
    unsigned bits_per_level;  // of the linear address
    unsigned top_bits;        // of the linear address at the top level
  };
  struct Rights {
    bool writable = true;
    bool user = true;
    bool executable = true;
  };
  struct Entry {
    Gpa address;
    std::uint64_t value = 0;
  };
  // What one attempt found: retry when the guest changed an entry meanwhile.
  struct Attempt {
    WalkResult result;
    bool retry = false;
  };

  Shape CurrentShape() const;
  Attempt WalkOnce(std::uint64_t linear, AccessKind access) const;
  bool IsLeaf(std::uint64_t entry, unsigned level, const Shape& shape) const;
  bool HasReservedBits(std::uint64_t entry, unsigned level, bool leaf, const Shape& shape) const;
  bool Allowed(const Rights& rights, AccessKind access) const;
  std::uint32_t ErrorCode(AccessKind access, std::uint32_t reason) const;
  bool SetFlags(const Entry& entry, std::uint64_t flags, unsigned entry_size) const;

  GuestMemory& memory_;
  const SystemRegisters& system_;
  bool alignment_check_;
  bool user_mode_;
};

}  // namespace veneer
