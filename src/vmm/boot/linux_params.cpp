#include "linux_params.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include <asm/bootparam.h>

#include "low_memory.h"
#include "veneer/vmm/base/check.h"

namespace veneer {
namespace {

constexpr std::uint8_t kLoaderUndefined = 0xff;
constexpr std::uint16_t kVideoModeNormal = 0xffff;
// The header has room up to here (_pad7 of boot_params ends there).
constexpr std::size_t kHeaderRoom =
    offsetof(boot_params, edd_mbr_sig_buffer) - offsetof(boot_params, hdr);

// What a bzImage's header would say, for a kernel that came without one.
setup_header DefaultHeader(const KernelLimits& limits) {
  setup_header header{};
  header.boot_flag = 0xaa55;
  header.header = 0x53726448;  // "HdrS"
  header.version = 0x20f;
  header.loadflags = LOADED_HIGH;
  header.initrd_addr_max = static_cast<std::uint32_t>(limits.initrd_last.value);
  header.kernel_alignment = 0x1000000;
  header.cmdline_size = limits.cmdline_max;
  header.xloadflags = XLF_KERNEL_64;
  return header;
}

void FillHeader(setup_header& header, const BootInfo& info) {
  header.type_of_loader = kLoaderUndefined;
  header.ext_loader_type = 0;
  header.ext_loader_ver = 0;
  header.vid_mode = kVideoModeNormal;
  // No heap for 16-bit code, which is not run.
  header.loadflags = static_cast<std::uint8_t>((header.loadflags | LOADED_HIGH) &
                                               ~unsigned{CAN_USE_HEAP | KASLR_FLAG});
  header.code32_start = static_cast<std::uint32_t>(info.kernel.segments.front().base.value);
  header.ramdisk_image = static_cast<std::uint32_t>(info.initrd.base.value);
  header.ramdisk_size = static_cast<std::uint32_t>(info.initrd.size);
  header.cmd_line_ptr = static_cast<std::uint32_t>(kCmdlineBase.value);
  header.setup_data = 0;
}

}  // namespace

Result<Gpa> WriteLinuxParams(const BootInfo& info, GuestMemory& memory) {
  boot_params params{};
  if (info.kernel.setup_header.empty()) {
    params.hdr = DefaultHeader(info.kernel.limits);
  } else {
    // Through the bytes of boot_params: the header may be longer than our setup_header.
    auto* bytes = reinterpret_cast<std::byte*>(&params) + offsetof(boot_params, hdr);
    std::memcpy(bytes, info.kernel.setup_header.data(),
                std::min(info.kernel.setup_header.size(), kHeaderRoom));
  }
  FillHeader(params.hdr, info);
  if (info.rsdp) {
    params.acpi_rsdp_addr = info.rsdp->value;
  }
  if (info.e820.size() > E820_MAX_ENTRIES_ZEROPAGE) {
    return UsageError("the guest's memory map has {} entries, more than the {} that Linux takes",
                      info.e820.size(), E820_MAX_ENTRIES_ZEROPAGE);
  }
  params.e820_entries = static_cast<std::uint8_t>(info.e820.size());
  for (std::size_t i = 0; i < info.e820.size(); ++i) {
    const E820Entry& entry = info.e820[i];
    params.e820_table[i] =
        boot_e820_entry{entry.base.value, entry.size, static_cast<std::uint32_t>(entry.type)};
  }
  VENEER_CHECK(memory.Write(kBootParamsBase, params));
  return kBootParamsBase;
}

}  // namespace veneer
