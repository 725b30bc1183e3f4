#include "veneer/vmm/boot/boot_loader.h"

#include <algorithm>
#include <span>
#include <utility>

#include "boot_info.h"
#include "entry_state.h"
#include "initrd.h"
#include "linux_params.h"
#include "low_memory.h"
#include "pvh_info.h"
#include "veneer/vmm/base/check.h"

namespace veneer {
namespace {

std::vector<GuestMemory::Range> RamRanges(const GuestMemory& memory) {
  std::vector<GuestMemory::Range> ranges;
  for (const MemoryRegion& region : memory.regions()) {
    ranges.push_back({region.base, region.size});
  }
  return ranges;
}

Result<void> WriteCmdline(const std::string& cmdline, const KernelLimits& limits,
                          GuestMemory& memory) {
  const std::uint64_t most = std::min<std::uint64_t>(limits.cmdline_max, kCmdlineBytes - 1);
  if (cmdline.size() > most) {
    return UsageError(
        "the kernel command line has {} characters, and this kernel takes at most {}: shorten it",
        cmdline.size(), most);
  }
  if (cmdline.find('\0') != std::string::npos) {
    return UsageError("the kernel command line contains a zero byte: remove it");
  }
  // c_str() has the final NUL.
  VENEER_CHECK(memory.WriteBytes(kCmdlineBase,
                                 std::as_bytes(std::span(cmdline.c_str(), cmdline.size() + 1))));
  return {};
}

// The kernel takes whole pages, so ACPI tables and the like must not share its segments' range.
Result<void> CheckKernelInRam(const LoadedKernel& kernel, std::span<const E820Entry> e820) {
  for (const LoadedSegment& segment : kernel.segments) {
    const bool in_ram = std::any_of(e820.begin(), e820.end(), [&segment](const E820Entry& entry) {
      return entry.type == E820Type::kRam && segment.base >= entry.base &&
             segment.base.value - entry.base.value <= entry.size &&
             segment.memory_size <= entry.size - (segment.base.value - entry.base.value);
    });
    if (!in_ram) {
      return UsageError(
          "the kernel does not fit: its part at {:#x} reaches into memory that is reserved; give "
          "the guest more memory",
          segment.base.value);
    }
  }
  return {};
}

}  // namespace

Result<PreparedBoot> PrepareBoot(const BootConfig& config, GuestMemory& memory) {
  VENEER_CHECK(!memory.Pin(Gpa{0}, kLowMemoryEnd.value).empty());
  for (const E820Entry& entry : config.special) {
    VENEER_CHECK(entry.base >= kBootDataEnd);
  }
  PreparedBoot boot;
  boot.e820 = BuildE820(config.ram.empty() ? RamRanges(memory) : config.ram, config.special);
  VENEER_TRY_ASSIGN(boot.kernel, LoadKernel(config.kernel, config.entry, memory));
  VENEER_TRY(CheckKernelInRam(boot.kernel, boot.e820));
  VENEER_TRY(WriteCmdline(config.cmdline, boot.kernel.limits, memory));
  LoadedInitrd initrd;
  if (!config.initrds.empty()) {
    VENEER_TRY_ASSIGN(initrd, LoadInitrd(config.initrds, boot.e820, boot.kernel, memory));
    boot.initrd = initrd.base;
    boot.initrd_size = initrd.size;
  }
  const BootInfo info{boot.kernel, boot.e820, initrd, config.rsdp};
  VENEER_TRY_ASSIGN(const Gpa info_base, boot.kernel.protocol == BootProtocol::kPvh
                                             ? WritePvhInfo(info, memory)
                                             : WriteLinuxParams(info, memory));
  boot.entry = WriteEntryState(boot.kernel, info_base, memory);
  return boot;
}

}  // namespace veneer
