#include "veneer/vmm/boot/acpi/acpi_tables.h"

#include <gtest/gtest.h>

#include "acpi_fixture.h"
#include "veneer/devices/pc/acpi_pm.h"

namespace veneer {
namespace {

TEST_F(AcpiTest, RsdpIsWhereGuestsSearchForIt) {
  WriteTables(Config(1));
  EXPECT_EQ(tables_.rsdp.value % 16, 0U);
  EXPECT_GE(tables_.rsdp.value, 0xe0000U);
  EXPECT_LT(tables_.rsdp.value, 0x100000U);
  const std::vector<std::uint8_t> rsdp = Bytes(tables_.rsdp.value, sizeof(acpi::Rsdp));
  EXPECT_EQ(std::memcmp(rsdp.data(), "RSD PTR VENEER", 8), 0);
  EXPECT_EQ(Sum(std::span(rsdp).first(20)), 0U);
  EXPECT_EQ(Sum(rsdp), 0U);
  EXPECT_EQ(Rsdp().revision, 2);
  EXPECT_EQ(Rsdp().length, sizeof(acpi::Rsdp));
}

TEST_F(AcpiTest, RangeIsWholePagesAndSmall) {
  WriteTables(Config(32));
  EXPECT_EQ(tables_.range.base, kAcpiTablesDefault);
  EXPECT_EQ(tables_.range.size % kPageSize, 0U);
  EXPECT_LE(tables_.range.size, kAcpiTablesLimit);
}

TEST_F(AcpiTest, XsdtNamesFadtAndMadt) {
  WriteTables(Config(1));
  const Table xsdt = TableAt(Rsdp().xsdt);
  EXPECT_EQ(std::memcmp(xsdt.data(), "XSDT", 4), 0);
  EXPECT_EQ(xsdt.size(), sizeof(acpi::Header) + 2 * 8);
  Find("FACP");
  Find("APIC");
}

TEST_F(AcpiTest, FadtDescribesTheFixedHardware) {
  WriteTables(Config(1));
  const acpi::Fadt fadt = Fadt();
  EXPECT_EQ(fadt.header.length, 276U);
  EXPECT_EQ(fadt.header.revision, 6);
  EXPECT_EQ(fadt.sci_interrupt, AcpiPm::kSci.value);
  EXPECT_EQ(fadt.pm1a_event, AcpiPm::kBase + AcpiPm::kPm1Event);
  EXPECT_EQ(fadt.pm1a_control, AcpiPm::kBase + AcpiPm::kPm1Control);
  EXPECT_EQ(fadt.pm_timer, AcpiPm::kBase + AcpiPm::kPmTimer);
  EXPECT_EQ(fadt.gpe0, AcpiPm::kGpe0Base);
  EXPECT_EQ(fadt.gpe0_length, AcpiPm::kGpe0Size);
  EXPECT_EQ(fadt.gpe0_length * 8U / 2U, AcpiPm::kGpeCount);
  EXPECT_EQ(fadt.smi_command, 0U) << "ACPI mode from the start";
  EXPECT_EQ(fadt.century, 0x32);
  EXPECT_EQ(fadt.flags & (1U << 20U), 0U) << "not hardware-reduced";
  EXPECT_NE(fadt.flags & (1U << 8U), 0U) << "the timer has 32 bits";
  EXPECT_EQ(fadt.boot_architecture & (1U << 1U), 0U) << "no keyboard to search for";
}

TEST_F(AcpiTest, ExtendedAddressesAgreeWithTheOldOnes) {
  WriteTables(Config(1));
  const acpi::Fadt fadt = Fadt();
  // Copies: the packed fields are not aligned.
  EXPECT_EQ(std::uint64_t{fadt.x_dsdt}, fadt.dsdt);
  EXPECT_EQ(std::uint64_t{fadt.x_facs}, 0U) << "only one of the two may be set";
  struct {
    acpi::GenericAddress extended;
    std::uint32_t port;
    std::uint8_t length;
  } const blocks[] = {{fadt.x_pm1a_event, fadt.pm1a_event, fadt.pm1_event_length},
                      {fadt.x_pm1a_control, fadt.pm1a_control, fadt.pm1_control_length},
                      {fadt.x_pm_timer, fadt.pm_timer, fadt.pm_timer_length},
                      {fadt.x_gpe0, fadt.gpe0, fadt.gpe0_length}};
  for (const auto& block : blocks) {
    EXPECT_EQ(block.extended.space, 1);
    EXPECT_EQ(block.extended.bit_width, block.length * 8);
    EXPECT_EQ(std::uint64_t{block.extended.address}, block.port);
  }
}

TEST_F(AcpiTest, ResetRegisterIsOffered) {
  WriteTables(Config(1));
  const acpi::Fadt fadt = Fadt();
  EXPECT_NE(fadt.flags & (1U << 10U), 0U);
  EXPECT_EQ(std::uint64_t{fadt.reset_register.address}, 0xcf9U);
  EXPECT_EQ(fadt.reset_register.bit_width, 8);
  EXPECT_EQ(fadt.reset_value, 6);
}

TEST_F(AcpiTest, FacsIsAlignedAndInert) {
  WriteTables(Config(1));
  const std::uint32_t address = Fadt().facs;
  EXPECT_EQ(address % 64, 0U);
  const auto facs = As<acpi::Facs>(Bytes(address, sizeof(acpi::Facs)));
  EXPECT_EQ(std::string(facs.signature.begin(), facs.signature.end()), "FACS");
  EXPECT_EQ(facs.length, 64U);
  EXPECT_EQ(facs.global_lock, 0U);
}

TEST_F(AcpiTest, MadtNamesEveryProcessorAndTheInterruptWiring) {
  WriteTables(Config(3));
  const Table madt = Find("APIC");
  const auto head = As<acpi::Madt>(madt);
  EXPECT_EQ(head.local_apic, 0xfee00000U);
  EXPECT_EQ(head.flags, 1U);
  std::string entries;
  std::size_t at = sizeof(acpi::Madt);
  while (at < madt.size()) {
    ASSERT_GE(madt[at + 1], 2);
    switch (madt[at]) {
      case 0: {
        const auto apic = As<acpi::MadtLocalApic>(madt, at);
        entries += fmt::format("cpu{}={}:{} ", apic.processor_uid, apic.apic_id, apic.flags);
        break;
      }
      case 1: {
        const auto apic = As<acpi::MadtIoApic>(madt, at);
        entries += fmt::format("ioapic{}={:x}+{} ", apic.id, apic.address, apic.first_gsi);
        break;
      }
      case 2: {
        const auto source = As<acpi::MadtSourceOverride>(madt, at);
        entries += fmt::format("irq{}={}:{:x} ", source.source, source.gsi, source.flags);
        break;
      }
      case 4: {
        const auto nmi = As<acpi::MadtLocalApicNmi>(madt, at);
        entries += fmt::format("nmi{:x}={} ", nmi.processor_uid, nmi.lint);
        break;
      }
      default:
        ADD_FAILURE() << "entry type " << madt[at];
    }
    at += madt[at + 1];
  }
  EXPECT_EQ(at, madt.size());
  EXPECT_EQ(entries, "cpu0=0:1 cpu1=2:1 cpu2=4:1 ioapic0=fec00000+0 irq0=2:0 irq9=9:d nmiff=1 ");
}

TEST_F(AcpiTest, IoApicIdMayBeChosen) {
  AcpiConfig config = Config(1);
  config.io_apic_id = 7;
  WriteTables(config);
  const Table madt = Find("APIC");
  EXPECT_EQ(As<acpi::MadtIoApic>(madt, sizeof(acpi::Madt) + sizeof(acpi::MadtLocalApic)).id, 7);
}

TEST_F(AcpiTest, ImpossibleConfigurationsAreRefused) {
  const auto refused = [this](const AcpiConfig& config, Gpa where) {
    const Result<AcpiTables> tables = WriteAcpiTables(*memory_, where, config);
    return !tables && tables.error().kind == ErrorKind::kUsage;
  };
  EXPECT_TRUE(refused(Config(0), kAcpiTablesDefault));
  AcpiConfig twice = Config(2);
  twice.processors[1] = twice.processors[0];
  EXPECT_TRUE(refused(twice, kAcpiTablesDefault));
  AcpiConfig broadcast = Config(1);
  broadcast.processors[0].apic_id = 0xff;
  EXPECT_TRUE(refused(broadcast, kAcpiTablesDefault));
  AcpiConfig sci = Config(1);
  sci.sci = 20;
  EXPECT_TRUE(refused(sci, kAcpiTablesDefault));
  EXPECT_TRUE(refused(Config(1), Gpa{0xe0010}));
  EXPECT_TRUE(refused(Config(1), Gpa{0x100000})) << "no RAM there";
  EXPECT_TRUE(refused(Config(1), Gpa{0x100000000}));
}

TEST_F(AcpiTest, TheLastPagesOfRamAreEnough) {
  const Result<AcpiTables> tables =
      WriteAcpiTables(*memory_, Gpa{(1 << 20) - kPageSize}, Config(4));
  ASSERT_TRUE(tables);
  EXPECT_EQ(tables->range.size, kPageSize);
}

}  // namespace
}  // namespace veneer
