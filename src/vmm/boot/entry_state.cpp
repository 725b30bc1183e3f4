#include "entry_state.h"

#include <array>
#include <cstdint>

#include "low_memory.h"
#include "veneer/vmm/base/check.h"

namespace veneer {
namespace {

// Segment descriptors (Intel SDM vol. 3A, 3.4.5): flat, 4 GiB, present, ring 0, accessed.
constexpr std::uint64_t kCode32 = 0x00cf9b000000ffff;
constexpr std::uint64_t kCode64 = 0x00af9b000000ffff;
constexpr std::uint64_t kData = 0x00cf93000000ffff;
constexpr std::uint64_t kBusyTss = 0x00008b0000000067;
// A 64-bit TSS descriptor takes two entries; the upper half of its base is zero.
constexpr std::uint64_t kTssUpperHalf = 0;

// Linux's boot protocol asks for code at 0x10 and data at 0x18.
constexpr std::uint16_t kCodeSelector = 0x10;
constexpr std::uint16_t kDataSelector = 0x18;
constexpr std::uint16_t kTaskSelector = 0x20;

constexpr std::uint64_t kPresentWritable = 0x3;
constexpr std::uint64_t kLargePage = 0x80;
constexpr std::uint64_t kLargePageBytes = std::uint64_t{2} << 20U;
constexpr std::size_t kTableEntries = 512;
constexpr std::size_t kDirectories = 4;  // of 1 GiB each

using PageTable = std::array<std::uint64_t, kTableEntries>;

// The first 4 GiB in 2 MiB pages: not every processor has 1 GiB pages.
void WriteIdentityMap(GuestMemory& memory) {
  const Gpa pdpt_base = kPageTableBase + kPageSize;
  const Gpa directory_base = pdpt_base + kPageSize;
  PageTable pml4{};
  PageTable pdpt{};
  pml4[0] = pdpt_base.value | kPresentWritable;
  std::uint64_t page = 0;
  for (std::size_t i = 0; i < kDirectories; ++i) {
    const Gpa base = directory_base + i * kPageSize;
    pdpt[i] = base.value | kPresentWritable;
    PageTable directory{};
    for (std::uint64_t& entry : directory) {
      entry = page | kLargePage | kPresentWritable;
      page += kLargePageBytes;
    }
    VENEER_CHECK(memory.Write(base, directory));
  }
  VENEER_CHECK(memory.Write(pdpt_base, pdpt));
  VENEER_CHECK(memory.Write(kPageTableBase, pml4));
}

}  // namespace

BootEntry WriteEntryState(const LoadedKernel& kernel, Gpa info, GuestMemory& memory) {
  const bool long_mode = kernel.protocol == BootProtocol::kLinux64;
  const std::array<std::uint64_t, 6> gdt = {0,     0,        long_mode ? kCode64 : kCode32,
                                            kData, kBusyTss, kTssUpperHalf};
  VENEER_CHECK(memory.Write(kGdtBase, gdt));
  if (long_mode) {
    WriteIdentityMap(memory);
  }
  BootEntry entry;
  entry.protocol = kernel.protocol;
  entry.rip = kernel.entry.value;
  entry.rsp = kBootStackTop.value;
  entry.info = info;
  entry.page_table = long_mode ? kPageTableBase : Gpa{0};
  entry.gdt_base = kGdtBase;
  entry.gdt_limit = sizeof(gdt) - 1;
  entry.code_selector = kCodeSelector;
  entry.data_selector = kDataSelector;
  entry.task_selector = kTaskSelector;
  return entry;
}

}  // namespace veneer
