// The MP table, walked from its floating pointer as a guest does it.

#include "src/vmm/boot/acpi/mp_table.h"

#include <algorithm>

#include "acpi_fixture.h"
#include "src/vmm/boot/acpi/mp_layout.h"
#include "veneer/devices/pci/pci_host.h"

namespace veneer {
namespace {

class MpTableTest : public AcpiTest {
 protected:
  Table Raw(std::size_t offset, std::size_t length) {
    Table bytes(length);
    EXPECT_TRUE(memory_->ReadBytes(Gpa{kMpTableBase.value + offset},
                                   std::as_writable_bytes(std::span(bytes))));
    return bytes;
  }

  // The table with its header, its checksums checked.
  Table Written(unsigned processors) { return Written(Config(processors)); }
  Table Written(const AcpiConfig& config) {
    const Result<void> written = WriteMpTable(*memory_, config);
    EXPECT_TRUE(written);
    const Table pointer_bytes = Raw(0, sizeof(mp::FloatingPointer));
    EXPECT_EQ(std::memcmp(pointer_bytes.data(), "_MP_", 4), 0);
    EXPECT_EQ(Sum(pointer_bytes), 0U);
    const auto pointer = As<mp::FloatingPointer>(pointer_bytes);
    EXPECT_EQ(pointer.table, kMpTableBase.value + sizeof pointer);
    const auto header = As<mp::Header>(Raw(sizeof pointer, sizeof(mp::Header)));
    Table table = Raw(sizeof pointer, header.length);
    EXPECT_EQ(std::memcmp(table.data(), "PCMP", 4), 0);
    EXPECT_EQ(Sum(table), 0U);
    EXPECT_LE(sizeof pointer + table.size(), kMpTableLimit);
    return table;
  }

  // All entries of one type.
  template <typename Entry>
  static std::vector<Entry> Entries(const Table& table, std::uint8_t type) {
    std::vector<Entry> found;
    std::size_t at = sizeof(mp::Header);
    unsigned count = 0;
    while (at < table.size()) {
      if (table[at] == type) {
        found.push_back(As<Entry>(table, at));
      }
      at += table[at] == 0 ? sizeof(mp::Processor) : sizeof(mp::Bus);
      ++count;
    }
    EXPECT_EQ(at, table.size());
    EXPECT_EQ(count, As<mp::Header>(table).entries);
    return found;
  }
};

TEST_F(MpTableTest, NamesEveryProcessorAndTheFirstToBoot) {
  const auto processors = Entries<mp::Processor>(Written(3), 0);
  ASSERT_EQ(processors.size(), 3U);
  for (unsigned i = 0; i < 3; ++i) {
    EXPECT_EQ(processors[i].apic_id, i * 2);
    EXPECT_EQ(processors[i].flags, i == 0 ? 3 : 1);
  }
}

TEST_F(MpTableTest, LeavesOutProcessorsThatMayComeLater) {
  AcpiConfig config = Config(3);
  config.processors[2].present = false;
  EXPECT_EQ(Entries<mp::Processor>(Written(config), 0).size(), 2U);
}

TEST_F(MpTableTest, HasRoomForAllProcessorsThatAMachineMayHave) {
  EXPECT_EQ(Entries<mp::Processor>(Written(32), 0).size(), 32U);
}

TEST_F(MpTableTest, RefusesMoreProcessorsThanFit) {
  const Result<void> written = WriteMpTable(*memory_, Config(100));
  ASSERT_FALSE(written);
  EXPECT_NE(written.error().message.find("100 processors"), std::string::npos);
}

TEST_F(MpTableTest, PciInterruptsAreThoseOfThePciHost) {
  const auto interrupts = Entries<mp::Interrupt>(Written(1), mp::Interrupt::kAtIoApic);
  for (unsigned slot = 1; slot <= 7; ++slot) {
    EXPECT_EQ(std::ranges::count_if(interrupts,
                                    [&](const mp::Interrupt& interrupt) {
                                      return interrupt.source_bus == 0 &&
                                             interrupt.source == slot << 2U &&
                                             interrupt.pin == PciHost::IntxGsi(slot).value;
                                    }),
              1)
        << "slot " << slot;
  }
}

TEST_F(MpTableTest, NoPinIsBothEdgeAndLevelTriggered) {
  const auto interrupts = Entries<mp::Interrupt>(Written(1), mp::Interrupt::kAtIoApic);
  for (const mp::Interrupt& isa : interrupts) {
    for (const mp::Interrupt& pci : interrupts) {
      EXPECT_FALSE(isa.source_bus == 1 && pci.source_bus == 0 && isa.pin == pci.pin)
          << "pin " << unsigned{isa.pin};
    }
  }
}

TEST_F(MpTableTest, TimerArrivesOnPinTwo) {
  const auto interrupts = Entries<mp::Interrupt>(Written(1), mp::Interrupt::kAtIoApic);
  const auto timer = std::ranges::find_if(interrupts, [](const mp::Interrupt& interrupt) {
    return interrupt.source_bus == 1 && interrupt.source == 0;
  });
  ASSERT_NE(timer, interrupts.end());
  EXPECT_EQ(timer->pin, 2);
}

}  // namespace
}  // namespace veneer
