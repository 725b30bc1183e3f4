// The DSDT against the devices that it describes, and all tables against iasl.

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>

#include "acpi_fixture.h"
#include "support/scratch_directory.h"
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

TEST_F(AcpiTest, IaslDisassemblesEveryTable) {
  WriteTables(Config(4));
  const test::ScratchDirectory scratch;
  const std::array<std::pair<std::string, Table>, 5> tables{{
      {"facp", Find("FACP")},
      {"apic", Find("APIC")},
      {"xsdt", TableAt(Rsdp().xsdt)},
      {"dsdt", Dsdt()},
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
