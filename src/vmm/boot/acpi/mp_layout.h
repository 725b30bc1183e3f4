// The MultiProcessor table as it lies in memory: MultiProcessor Specification 1.4, chapter 4.
#pragma once

#include <array>
#include <cstdint>

namespace veneer::mp {

#pragma pack(push, 1)

struct FloatingPointer {
  std::array<char, 4> signature{'_', 'M', 'P', '_'};
  std::uint32_t table;
  std::uint8_t length = 1;  // in units of 16 bytes
  std::uint8_t revision = 4;
  std::uint8_t checksum = 0;
  std::array<std::uint8_t, 5> features{};  // all zero: there is a table, no default configuration
};
static_assert(sizeof(FloatingPointer) == 16);

// Followed by the entries below, in the order of their types.
struct Header {
  std::array<char, 4> signature{'P', 'C', 'M', 'P'};
  std::uint16_t length = 0;
  std::uint8_t revision = 4;
  std::uint8_t checksum = 0;
  std::array<char, 8> oem_id{'V', 'E', 'N', 'E', 'E', 'R', ' ', ' '};
  std::array<char, 12> product_id{'V', 'E', 'N', 'E', 'E', 'R', ' ', ' ', ' ', ' ', ' ', ' '};
  std::uint32_t oem_table = 0;
  std::uint16_t oem_table_size = 0;
  std::uint16_t entries = 0;
  std::uint32_t local_apic;
  std::uint16_t extended_length = 0;
  std::uint8_t extended_checksum = 0;
  std::uint8_t reserved = 0;
};
static_assert(sizeof(Header) == 44);

struct Processor {
  std::uint8_t type = 0;
  std::uint8_t apic_id;
  std::uint8_t apic_version = 0x14;  // an APIC inside the processor
  std::uint8_t flags;                // bit 0: usable, bit 1: the boot processor
  std::uint32_t signature = 0;       // guests read CPUID instead
  std::uint32_t features = 0x201;    // FPU, APIC
  std::array<std::uint32_t, 2> reserved{};
};
static_assert(sizeof(Processor) == 20);

struct Bus {
  std::uint8_t type = 1;
  std::uint8_t id;
  std::array<char, 6> name;
};
static_assert(sizeof(Bus) == 8);

struct IoApic {
  std::uint8_t type = 2;
  std::uint8_t id;
  std::uint8_t version = 0x11;
  std::uint8_t flags = 1;  // usable
  std::uint32_t address;
};
static_assert(sizeof(IoApic) == 8);

// Where an interrupt of a bus arrives: at a pin of the IOAPIC or of the local APICs.
struct Interrupt {
  static constexpr std::uint8_t kAtIoApic = 3;
  static constexpr std::uint8_t kAtLocalApic = 4;
  static constexpr std::uint8_t kVectored = 0;
  static constexpr std::uint8_t kNmi = 1;
  static constexpr std::uint8_t kExternal = 3;  // the vector comes from the 8259

  std::uint8_t type;
  std::uint8_t kind;
  std::uint16_t flags = 0;  // polarity, trigger: those of the bus
  std::uint8_t source_bus;
  std::uint8_t source;  // ISA: the interrupt. PCI: slot << 2 | pin.
  std::uint8_t apic;    // 0xff: every one
  std::uint8_t pin;
};
static_assert(sizeof(Interrupt) == 8);

#pragma pack(pop)

}  // namespace veneer::mp
