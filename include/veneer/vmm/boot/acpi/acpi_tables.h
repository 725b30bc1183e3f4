// ACPI tables for a guest that boots without firmware, after the ACPI specification 6.x.
#pragma once

#include <cstdint>
#include <vector>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/memory/gpa.h"
#include "veneer/vmm/memory/guest_memory.h"

namespace veneer {

struct AcpiConfig {
  struct Processor {
    std::uint8_t uid = 0;  // also the Xen vCPU id: guests take it from here
    std::uint8_t apic_id = 0;
    bool present = true;  // from the start; else it may come later
  };
  // At least one; the first is the boot processor.
  std::vector<Processor> processors;
  // Processors come and go, as devices/pc/acpi_cpus.h tells the guest. Their `uid`s are then 0, 1
  // and so on.
  bool cpu_hotplug = false;

  std::uint32_t local_apic = 0xfee00000;
  std::uint32_t io_apic = 0xfec00000;
  std::uint8_t io_apic_id = 0;

  // The fixed hardware: devices/pc/acpi_pm.h.
  std::uint16_t sci = 9;
  std::uint16_t pm1_event_port = 0x600;
  std::uint16_t pm1_control_port = 0x604;
  std::uint16_t pm_timer_port = 0x608;
  std::uint16_t gpe0_port = 0xafe0;
  std::uint16_t reset_port = 0xcf9;
  std::uint8_t reset_value = 0x06;
};

// How many processors can come and go: as many as src/vmm/boot/CMakeLists.txt makes objects for.
inline constexpr unsigned kHotplugProcessors = 32;

struct AcpiTables {
  Gpa rsdp;                  // what boot_params or start_info names
  GuestMemory::Range range;  // pages used: E820 must call them reserved (or ACPI data)
};

// Where a BIOS has them, and where guests search that get no pointer.
inline constexpr Gpa kAcpiTablesDefault{0xe0000};
inline constexpr std::uint64_t kAcpiTablesLimit = 0x20000;  // bytes, up to 1 MiB

// Writes RSDP, XSDT, FADT, FACS, DSDT, MADT and, for processors that come and go, an SSDT from
// `where` (page-aligned) on. UsageError for a configuration that ACPI cannot express or RAM that is
// not there.
Result<AcpiTables> WriteAcpiTables(GuestMemory& memory, Gpa where, const AcpiConfig& config);

}  // namespace veneer
