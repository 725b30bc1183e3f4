#include "pvh_info.h"

#include <xen/arch-x86/hvm/start_info.h>

#include <cstdint>
#include <vector>

#include "low_memory.h"
#include "veneer/vmm/base/check.h"

namespace veneer {
namespace {

constexpr Gpa kModuleList{kStartInfoBase.value + sizeof(hvm_start_info)};
constexpr Gpa kMemoryMap{kModuleList.value + sizeof(hvm_modlist_entry)};
constexpr std::size_t kMaxMapEntries =
    (kStartInfoBase.value + kPageSize - kMemoryMap.value) / sizeof(hvm_memmap_table_entry);

}  // namespace

Result<Gpa> WritePvhInfo(const BootInfo& info, GuestMemory& memory) {
  if (info.e820.size() > kMaxMapEntries) {
    return UsageError("the guest's memory map has {} entries, more than the {} there is room for",
                      info.e820.size(), kMaxMapEntries);
  }
  hvm_start_info start{};
  start.magic = XEN_HVM_START_MAGIC_VALUE;
  start.version = 1;
  start.cmdline_paddr = kCmdlineBase.value;
  start.rsdp_paddr = info.rsdp ? info.rsdp->value : 0;
  start.memmap_paddr = kMemoryMap.value;
  start.memmap_entries = static_cast<std::uint32_t>(info.e820.size());
  if (info.initrd.size > 0) {
    hvm_modlist_entry module{};
    module.paddr = info.initrd.base.value;
    module.size = info.initrd.size;
    start.nr_modules = 1;
    start.modlist_paddr = kModuleList.value;
    VENEER_CHECK(memory.Write(kModuleList, module));
  }
  std::vector<hvm_memmap_table_entry> map;
  for (const E820Entry& entry : info.e820) {
    map.push_back({entry.base.value, entry.size, static_cast<std::uint32_t>(entry.type), 0});
  }
  VENEER_CHECK(memory.WriteBytes(kMemoryMap, std::as_bytes(std::span(map))));
  VENEER_CHECK(memory.Write(kStartInfoBase, start));
  return kStartInfoBase;
}

}  // namespace veneer
