// DSDT and SSDT against the devices that they describe, and all tables against iasl.

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>

#include "acpi_fixture.h"
#include "support/scratch_directory.h"
#include "veneer/devices/pc/acpi_cpus.h"
#include "veneer/devices/pc/acpi_pm.h"
#include "veneer/devices/pci/pci_host.h"

namespace veneer {
namespace {

template <typename T>
void AppendLittleEndian(std::vector<std::uint8_t>& bytes, T value) {
  for (std::size_t i = 0; i < sizeof value; ++i) {
    bytes.push_back(static_cast<std::uint8_t>(value >> (i * 8U)));
  }
}

bool Contains(const std::vector<std::uint8_t>& table, const std::vector<std::uint8_t>& bytes) {
  return std::search(table.begin(), table.end(), bytes.begin(), bytes.end()) != table.end();
}

TEST_F(AcpiTest, DsdtIsTiny) {
  WriteTables(Config(1));
  // Hosts that emulate the guest's kernel pay for each byte: think twice before raising this.
  EXPECT_LE(Dsdt().size(), 256U);
}

TEST_F(AcpiTest, DsdtInterruptsAreThoseOfThePciHost) {
  WriteTables(Config(1));
  const Table dsdt = Dsdt();
  for (unsigned slot = 1; slot <= 7; ++slot) {
    // DWord address, INTA (zero), no link (zero), byte GSI.
    std::vector<std::uint8_t> entry{0x0c};
    AppendLittleEndian(entry, slot << 16U | 0xffffU);
    entry.insert(entry.end(), {0x00, 0x00, 0x0a});
    entry.push_back(static_cast<std::uint8_t>(PciHost::IntxGsi(slot).value));
    EXPECT_TRUE(Contains(dsdt, entry)) << "slot " << slot;
  }
}

TEST_F(AcpiTest, DsdtWindowsAreThoseOfThePciHost) {
  WriteTables(Config(1));
  std::vector<std::uint8_t> memory;
  AppendLittleEndian(memory, static_cast<std::uint32_t>(PciHost::kMemoryBase));
  AppendLittleEndian(memory, static_cast<std::uint32_t>(PciHost::kMemoryEnd - 1));
  EXPECT_TRUE(Contains(Dsdt(), memory));
  std::vector<std::uint8_t> io;
  AppendLittleEndian(io, static_cast<std::uint16_t>(PciHost::kIoBase));
  AppendLittleEndian(io, static_cast<std::uint16_t>(PciHost::kIoEnd - 1));
  EXPECT_TRUE(Contains(Dsdt(), io));
}

TEST_F(AcpiTest, DsdtSleepTypeIsThatOfThePowerManagement) {
  WriteTables(Config(1));
  const std::vector<std::uint8_t> s5{
      '_', 'S', '5', '_', 0x12, 0x06, 0x02, 0x0a, AcpiPm::kSleepTypeS5};
  EXPECT_TRUE(Contains(Dsdt(), s5));
}

// Two processors at first, `possible` in all.
AcpiConfig HotplugConfig(unsigned possible) {
  AcpiConfig config;
  for (unsigned i = 0; i < possible; ++i) {
    const auto id = static_cast<std::uint8_t>(i);
    config.processors.push_back({.uid = id, .apic_id = id, .present = i < 2});
  }
  config.cpu_hotplug = true;
  return config;
}

TEST_F(AcpiTest, OnlyProcessorsThatComeAndGoHaveAnSsdt) {
  WriteTables(Config(32));
  const Table without = TableAt(Rsdp().xsdt);
  WriteTables(HotplugConfig(8));
  EXPECT_EQ(TableAt(Rsdp().xsdt).size(), without.size() + 8);
  EXPECT_LE(Find("SSDT").size(), 4096U);
}

TEST_F(AcpiTest, TheMadtSaysWhichProcessorsAreThere) {
  WriteTables(HotplugConfig(5));
  const Table madt = Find("APIC");
  for (unsigned i = 0; i < 5; ++i) {
    const auto apic =
        As<acpi::MadtLocalApic>(madt, sizeof(acpi::Madt) + i * sizeof(acpi::MadtLocalApic));
    EXPECT_EQ(apic.type, 0);
    EXPECT_EQ(apic.processor_uid, i);
    EXPECT_EQ(apic.flags, i < 2 ? 1U : 0U);
  }
}

TEST_F(AcpiTest, TheSsdtKnowsWhereTheMadtIs) {
  WriteTables(HotplugConfig(7));
  const Table ssdt = Find("SSDT");
  std::uint64_t madt = 0;
  const Table xsdt = TableAt(Rsdp().xsdt);
  for (std::size_t at = sizeof(acpi::Header); at + 8 <= xsdt.size(); at += 8) {
    const auto address = As<std::uint64_t>(xsdt, at);
    madt = std::memcmp(TableAt(address).data(), "APIC", 4) == 0 ? address : madt;
  }
  std::vector<std::uint8_t> name{0x08, 'M', 'A', 'D', 'T', 0x0c};
  AppendLittleEndian(name, static_cast<std::uint32_t>(madt));
  EXPECT_TRUE(Contains(ssdt, name));
  EXPECT_TRUE(Contains(ssdt, {0x08, 'N', 'C', 'P', 'U', 0x0c, 7, 0, 0, 0}));
}

TEST_F(AcpiTest, TheSsdtHasTheEventAndAnObjectForEachPossibleProcessor) {
  WriteTables(HotplugConfig(2));
  const Table ssdt = Find("SSDT");
  EXPECT_TRUE(Contains(ssdt, {'_', 'E', '0', static_cast<std::uint8_t>('0' + AcpiCpus::kGpe)}));
  for (unsigned i = 0; i < kHotplugProcessors; ++i) {
    std::vector<std::uint8_t> name;
    const std::string text = fmt::format("CP{:02X}", i);
    name.assign(text.begin(), text.end());
    name.insert(name.end(), {0x08, '_', 'H', 'I', 'D'});
    EXPECT_TRUE(Contains(ssdt, name)) << text;
  }
}

TEST_F(AcpiTest, TheSsdtsPortsAreThoseOfTheDevice) {
  WriteTables(HotplugConfig(2));
  // OperationRegion (PRST, SystemIO, word, byte).
  std::vector<std::uint8_t> region{0x5b, 0x80, 'P', 'R', 'S', 'T', 0x01, 0x0b};
  AppendLittleEndian(region, static_cast<std::uint16_t>(AcpiCpus::kBase));
  region.insert(region.end(), {0x0a, static_cast<std::uint8_t>(AcpiCpus::kSize)});
  EXPECT_TRUE(Contains(Find("SSDT"), region));
  // And they are reserved: I/O port descriptor, 16 bits, from and to, alignment, length.
  std::vector<std::uint8_t> reserved{0x47, 0x01};
  AppendLittleEndian(reserved, static_cast<std::uint16_t>(AcpiCpus::kBase));
  AppendLittleEndian(reserved, static_cast<std::uint16_t>(AcpiCpus::kBase));
  reserved.insert(reserved.end(), {1, static_cast<std::uint8_t>(AcpiCpus::kSize)});
  EXPECT_TRUE(Contains(Find("SSDT"), reserved));
}

TEST_F(AcpiTest, ProcessorsThatComeAndGoAreNumberedFromZeroAndNotMoreThanThereAreObjects) {
  AcpiConfig config = HotplugConfig(3);
  config.processors[2].uid = 9;
  EXPECT_FALSE(WriteAcpiTables(*memory_, kAcpiTablesDefault, config));
  EXPECT_TRUE(WriteAcpiTables(*memory_, kAcpiTablesDefault, HotplugConfig(kHotplugProcessors)));
  EXPECT_FALSE(
      WriteAcpiTables(*memory_, kAcpiTablesDefault, HotplugConfig(kHotplugProcessors + 1)));
  config = HotplugConfig(3);
  config.processors[0].present = false;
  EXPECT_FALSE(WriteAcpiTables(*memory_, kAcpiTablesDefault, config)) << "nobody could boot";
}

TEST_F(AcpiTest, IaslDisassemblesEveryTable) {
  WriteTables(HotplugConfig(4));
  const test::ScratchDirectory scratch;
  const std::array<std::pair<std::string, Table>, 6> tables{{
      {"facp", Find("FACP")},
      {"apic", Find("APIC")},
      {"xsdt", TableAt(Rsdp().xsdt)},
      {"dsdt", Dsdt()},
      {"ssdt", Find("SSDT")},
      {"facs", Bytes(Fadt().facs, sizeof(acpi::Facs))},
  }};
  for (const auto& [name, table] : tables) {
    const std::string aml = scratch.File(name + ".aml");
    const std::string log = scratch.File(name + ".log");
    std::ofstream(aml, std::ios::binary)
        .write(reinterpret_cast<const char*>(table.data()),  // bytes to a stream of chars
               static_cast<std::streamsize>(table.size()));
    const std::string command = fmt::format("{} -d {} > {} 2>&1", VENEER_IASL, aml, log);
    EXPECT_EQ(std::system(command.c_str()), 0) << name;
    std::stringstream text;
    text << std::ifstream(log).rdbuf() << std::ifstream(scratch.File(name + ".dsl")).rdbuf();
    EXPECT_EQ(text.str().find("rror"), std::string::npos) << text.str();
    EXPECT_EQ(text.str().find("nvalid"), std::string::npos) << text.str();
    EXPECT_EQ(text.str().find("ncorrect checksum"), std::string::npos) << text.str();
  }
}

}  // namespace
}  // namespace veneer
