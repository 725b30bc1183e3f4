#include "page_walker.h"

#include <span>

namespace veneer {
namespace {

constexpr std::uint64_t kPresent = 1U << 0;
constexpr std::uint64_t kWritable = 1U << 1;
constexpr std::uint64_t kUser = 1U << 2;
constexpr std::uint64_t kAccessed = 1U << 5;
constexpr std::uint64_t kDirty = 1U << 6;
constexpr std::uint64_t kLargePage = 1U << 7;
constexpr std::uint64_t kNoExecute = std::uint64_t{1} << 63;
constexpr std::uint64_t kAddressMask = 0x000ffffffffff000;
// Another vCPU may change an entry under us again and again; the guest then gets a spurious fault,
// as it may on a real processor, and comes back.
constexpr int kMaxAttempts = 8;

// Bits 13 to 20 of a 4 MiB page's entry are bits 32 to 39 of its address (PSE-36).
std::uint64_t LargePageBase32(std::uint64_t entry) {
  return (entry & 0xffc00000) | ((entry >> 13U & 0xff) << 32U);
}

}  // namespace

PageWalker::PageWalker(GuestMemory& memory, const SystemRegisters& system, std::uint64_t rflags,
                       unsigned cpl)
    : memory_(memory),
      system_(system),
      alignment_check_((rflags & kRflagsAlignmentCheck) != 0),
      user_mode_(cpl == 3) {}

WalkResult PageWalker::Walk(std::uint64_t linear, AccessKind access) const {
  if ((system_.cr0 & kCr0Paging) == 0) {
    return Gpa{linear & 0xffffffff};
  }
  Attempt attempt{BrokenTables{}};
  for (int i = 0; i < kMaxAttempts; ++i) {
    attempt = WalkOnce(linear, access);
    if (!attempt.retry) {
      break;
    }
  }
  return attempt.result;
}

PageWalker::Shape PageWalker::CurrentShape() const {
  if ((system_.efer & kEferLongModeActive) != 0) {
    const unsigned levels = (system_.cr4 & kCr4FiveLevelPaging) != 0 ? 5 : 4;
    return Shape{levels, 8, 9, 9};
  }
  if ((system_.cr4 & kCr4PhysicalAddressExtension) != 0) {
    return Shape{3, 8, 9, 2};
  }
  return Shape{2, 4, 10, 10};
}

PageWalker::Attempt PageWalker::WalkOnce(std::uint64_t linear, AccessKind access) const {
  const Shape shape = CurrentShape();
  const bool pae_root = shape.levels == 3;
  Gpa table{pae_root ? system_.cr3 & 0xffffffe0 : system_.cr3 & kAddressMask};
  Rights rights;
  for (unsigned level = shape.levels; level > 0; --level) {
    const unsigned shift = kPageShift + (level - 1) * shape.bits_per_level;
    const unsigned bits = level == shape.levels ? shape.top_bits : shape.bits_per_level;
    const std::uint64_t index = (linear >> shift) & ((1U << bits) - 1);
    const Gpa address = table + index * shape.entry_size;
    std::uint64_t value = 0;
    if (!memory_.ReadBytes(address,
                           std::as_writable_bytes(std::span(&value, 1)).first(shape.entry_size))) {
      return {BrokenTables{}};
    }
    if ((value & kPresent) == 0) {
      return {PageFault{ErrorCode(access, 0)}};
    }
    const Entry entry{address, value};
    const bool leaf = IsLeaf(value, level, shape);
    if (HasReservedBits(value, level, leaf, shape)) {
      return {PageFault{ErrorCode(access, kPageFaultPresent | kPageFaultReserved)}};
    }
    const bool root_pointer = pae_root && level == 3;  // has no rights and no accessed bit
    if (!root_pointer) {
      rights.writable = rights.writable && (value & kWritable) != 0;
      rights.user = rights.user && (value & kUser) != 0;
      rights.executable = rights.executable && (value & kNoExecute) == 0;
    }
    if (!leaf) {
      if (!root_pointer && !SetFlags(entry, kAccessed, shape.entry_size)) {
        return {PageFault{ErrorCode(access, 0)}, true};
      }
      table = Gpa{value & kAddressMask};
      continue;
    }
    if (!Allowed(rights, access)) {
      return {PageFault{ErrorCode(access, kPageFaultPresent)}};
    }
    const std::uint64_t offset_mask = (std::uint64_t{1} << shift) - 1;
    const std::uint64_t base =
        shape.levels == 2 && level == 2 ? LargePageBase32(value) : value & kAddressMask;
    const Gpa gpa{(base & ~offset_mask) | (linear & offset_mask)};
    const std::uint64_t flags = access == AccessKind::kWrite ? kAccessed | kDirty : kAccessed;
    if (!SetFlags(entry, flags, shape.entry_size)) {
      return {PageFault{ErrorCode(access, 0)}, true};
    }
    return {gpa};
  }
  return {BrokenTables{}};
}

bool PageWalker::IsLeaf(std::uint64_t entry, unsigned level, const Shape& shape) const {
  if (level == 1) {
    return true;
  }
  if (shape.levels == 2) {
    return (entry & kLargePage) != 0 && (system_.cr4 & kCr4PageSizeExtension) != 0;
  }
  const bool may_be_large = level == 2 || (level == 3 && shape.levels > 3);
  return may_be_large && (entry & kLargePage) != 0;
}

bool PageWalker::HasReservedBits(std::uint64_t entry, unsigned level, bool leaf,
                                 const Shape& shape) const {
  if (shape.entry_size == 4) {
    return false;
  }
  if ((entry & kNoExecute) != 0 && (system_.efer & kEferNoExecute) == 0) {
    return true;
  }
  if (leaf && level > 1) {
    // Between the PAT bit and the base of a large page.
    const std::uint64_t low = (std::uint64_t{1} << (kPageShift + (level - 1) * 9)) - 1;
    return (entry & low & ~std::uint64_t{0x1fff}) != 0;
  }
  return level > 3 && (entry & kLargePage) != 0;
}

bool PageWalker::Allowed(const Rights& rights, AccessKind access) const {
  if (user_mode_) {
    return rights.user && (access != AccessKind::kWrite || rights.writable) &&
           (access != AccessKind::kFetch || rights.executable);
  }
  if (access == AccessKind::kFetch) {
    return rights.executable && !(rights.user && (system_.cr4 & kCr4Smep) != 0);
  }
  if (rights.user && (system_.cr4 & kCr4Smap) != 0 && !alignment_check_) {
    return false;
  }
  return access == AccessKind::kRead || rights.writable || (system_.cr0 & kCr0WriteProtect) == 0;
}

std::uint32_t PageWalker::ErrorCode(AccessKind access, std::uint32_t reason) const {
  std::uint32_t code = reason;
  if (access == AccessKind::kWrite) {
    code |= kPageFaultWrite;
  }
  if (user_mode_) {
    code |= kPageFaultUser;
  }
  const bool no_execute_paging =
      (system_.efer & kEferNoExecute) != 0 && (system_.cr4 & kCr4PhysicalAddressExtension) != 0;
  if (access == AccessKind::kFetch && (no_execute_paging || (system_.cr4 & kCr4Smep) != 0)) {
    code |= kPageFaultFetch;
  }
  return code;
}

// False if the entry is no longer what was read.
bool PageWalker::SetFlags(const Entry& entry, std::uint64_t flags, unsigned entry_size) const {
  if ((entry.value & flags) == flags) {
    return true;
  }
  // The entry was read a moment ago, and RAM does not go away.
  std::byte* host = memory_.Pin(entry.address, entry_size).data();
  if (entry_size == 4) {
    auto expected = static_cast<std::uint32_t>(entry.value);
    return SharedWord<std::uint32_t>(host).compare_exchange_strong(
        expected, expected | static_cast<std::uint32_t>(flags));
  }
  std::uint64_t expected = entry.value;
  return SharedWord<std::uint64_t>(host).compare_exchange_strong(expected, expected | flags);
}

}  // namespace veneer
