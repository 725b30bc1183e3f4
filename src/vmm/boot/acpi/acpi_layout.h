// The ACPI tables as they lie in memory: ACPI specification 6.4, chapter 5.2.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace veneer::acpi {

#pragma pack(push, 1)

struct Rsdp {
  std::array<char, 8> signature;
  std::uint8_t checksum;  // of the first 20 bytes
  std::array<char, 6> oem_id;
  std::uint8_t revision;
  std::uint32_t rsdt;
  std::uint32_t length;
  std::uint64_t xsdt;
  std::uint8_t extended_checksum;
  std::array<std::uint8_t, 3> reserved;
};
static_assert(sizeof(Rsdp) == 36);
inline constexpr std::size_t kRsdpFirstPart = 20;

struct Header {
  std::array<char, 4> signature;
  std::uint32_t length;
  std::uint8_t revision;
  std::uint8_t checksum;
  std::array<char, 6> oem_id;
  std::array<char, 8> oem_table_id;
  std::uint32_t oem_revision;
  std::array<char, 4> creator_id;
  std::uint32_t creator_revision;
};
static_assert(sizeof(Header) == 36);

struct GenericAddress {
  std::uint8_t space;  // 1: system I/O
  std::uint8_t bit_width;
  std::uint8_t bit_offset;
  std::uint8_t access_size;  // 1 byte, 2 word, 3 dword
  std::uint64_t address;
};
static_assert(sizeof(GenericAddress) == 12);

struct Fadt {
  Header header;
  std::uint32_t facs;
  std::uint32_t dsdt;
  std::uint8_t reserved0;
  std::uint8_t preferred_pm_profile;
  std::uint16_t sci_interrupt;
  std::uint32_t smi_command;
  std::uint8_t acpi_enable;
  std::uint8_t acpi_disable;
  std::uint8_t s4bios_request;
  std::uint8_t pstate_control;
  std::uint32_t pm1a_event;
  std::uint32_t pm1b_event;
  std::uint32_t pm1a_control;
  std::uint32_t pm1b_control;
  std::uint32_t pm2_control;
  std::uint32_t pm_timer;
  std::uint32_t gpe0;
  std::uint32_t gpe1;
  std::uint8_t pm1_event_length;
  std::uint8_t pm1_control_length;
  std::uint8_t pm2_control_length;
  std::uint8_t pm_timer_length;
  std::uint8_t gpe0_length;
  std::uint8_t gpe1_length;
  std::uint8_t gpe1_base;
  std::uint8_t cstate_control;
  std::uint16_t c2_latency;
  std::uint16_t c3_latency;
  std::uint16_t flush_size;
  std::uint16_t flush_stride;
  std::uint8_t duty_offset;
  std::uint8_t duty_width;
  std::uint8_t day_alarm;
  std::uint8_t month_alarm;
  std::uint8_t century;
  std::uint16_t boot_architecture;
  std::uint8_t reserved1;
  std::uint32_t flags;
  GenericAddress reset_register;
  std::uint8_t reset_value;
  std::uint16_t arm_boot_architecture;
  std::uint8_t minor_revision;
  std::uint64_t x_facs;
  std::uint64_t x_dsdt;
  GenericAddress x_pm1a_event;
  GenericAddress x_pm1b_event;
  GenericAddress x_pm1a_control;
  GenericAddress x_pm1b_control;
  GenericAddress x_pm2_control;
  GenericAddress x_pm_timer;
  GenericAddress x_gpe0;
  GenericAddress x_gpe1;
  GenericAddress sleep_control;
  GenericAddress sleep_status;
  std::array<char, 8> hypervisor_vendor;
};
static_assert(sizeof(Fadt) == 276);

struct Facs {
  std::array<char, 4> signature;
  std::uint32_t length;
  std::uint32_t hardware_signature;
  std::uint32_t waking_vector;
  std::uint32_t global_lock;
  std::uint32_t flags;
  std::uint64_t x_waking_vector;
  std::uint8_t version;
  std::array<std::uint8_t, 31> reserved;
};
static_assert(sizeof(Facs) == 64);

// Followed by the entries below.
struct Madt {
  Header header;
  std::uint32_t local_apic;
  std::uint32_t flags;  // bit 0: there is a pair of 8259 controllers too
};
static_assert(sizeof(Madt) == 44);

struct MadtLocalApic {
  std::uint8_t type = 0;
  std::uint8_t length = sizeof(MadtLocalApic);
  std::uint8_t processor_uid;
  std::uint8_t apic_id;
  std::uint32_t flags;  // bit 0: enabled
};
static_assert(sizeof(MadtLocalApic) == 8);

struct MadtIoApic {
  std::uint8_t type = 1;
  std::uint8_t length = sizeof(MadtIoApic);
  std::uint8_t id;
  std::uint8_t reserved = 0;
  std::uint32_t address;
  std::uint32_t first_gsi = 0;
};
static_assert(sizeof(MadtIoApic) == 12);

struct MadtSourceOverride {
  std::uint8_t type = 2;
  std::uint8_t length = sizeof(MadtSourceOverride);
  std::uint8_t bus = 0;  // ISA
  std::uint8_t source;
  std::uint32_t gsi;
  std::uint16_t flags;  // polarity, trigger
};
static_assert(sizeof(MadtSourceOverride) == 10);

struct MadtLocalApicNmi {
  std::uint8_t type = 4;
  std::uint8_t length = sizeof(MadtLocalApicNmi);
  std::uint8_t processor_uid;  // 0xff: all
  std::uint16_t flags;
  std::uint8_t lint;
};
static_assert(sizeof(MadtLocalApicNmi) == 6);

#pragma pack(pop)

}  // namespace veneer::acpi
