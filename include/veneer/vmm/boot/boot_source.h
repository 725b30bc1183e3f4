// How a guest begins: what lies in its memory at the first instruction, and where that is.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/boot/acpi/acpi_tables.h"
#include "veneer/vmm/boot/boot_loader.h"
#include "veneer/vmm/boot/e820.h"
#include "veneer/vmm/boot/smbios.h"
#include "veneer/vmm/memory/guest_memory.h"

namespace veneer {

// What a machine says about itself to whatever boots in it.
struct BootMachine {
  AcpiConfig acpi;
  std::vector<GuestMemory::Range> ram;
  // Ranges that are not plain RAM beside the PC's legacy area.
  std::vector<E820Entry> special;
  std::optional<SmbiosConfig> smbios;  // empty: no such tables
};

// One way to boot. The machine calls LayOut() before there is memory, Prepare() once there is, and
// enters the guest as the BootEntry says that Prepare() returns.
class BootSource {
 public:
  BootSource() = default;
  BootSource(const BootSource&) = delete;
  BootSource& operator=(const BootSource&) = delete;
  virtual ~BootSource() = default;

  // Memory that it needs beside `ram` and that the guest's memory map does not show as RAM: empty,
  // or ascending and apart from `ram`.
  virtual std::vector<GuestMemory::Range> LayOut(std::span<const GuestMemory::Range> ram) const = 0;
  // Writes into `memory`, which is all zero, whatever must be there at the first instruction, the
  // machine's tables included. UsageError for what the user can mend. Says in the log what boots.
  virtual Result<PreparedBoot> Prepare(const BootMachine& machine, GuestMemory& memory) = 0;
};

// A kernel that is loaded and entered directly; of `config`, the files, the command line and the
// entry count.
std::unique_ptr<BootSource> MakeDirectKernel(BootConfig config);

// A boot loader for PVH guests, such as GRUB's grub-i386-xen_pvh.bin, which finds a kernel on the
// guest's disks itself. `path`: its ELF file.
std::unique_ptr<BootSource> MakePvhLoader(std::string path);

// A PC's BIOS that knows Xen, SeaBIOS, which boots IDE disks. `path`: its image, of up to 256 KiB.
std::unique_ptr<BootSource> MakeFirmware(std::string path);

}  // namespace veneer
