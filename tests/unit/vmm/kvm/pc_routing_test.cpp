#include "src/vmm/kvm/pc_routing.h"

#include <map>
#include <set>
#include <utility>

#include <gtest/gtest.h>

namespace veneer::kvm {
namespace {

// Of one kind of controller: the pin of each line.
std::map<unsigned, unsigned> Pins(std::set<unsigned> chips) {
  std::map<unsigned, unsigned> pins;
  for (const kvm_irq_routing_entry& entry : PcRouting()) {
    if (chips.contains(entry.u.irqchip.irqchip)) {
      EXPECT_TRUE(pins.emplace(entry.gsi, entry.u.irqchip.pin).second) << entry.gsi;
    }
  }
  return pins;
}

TEST(PcRouting, TheTimerIsOnPin2OfTheIoApic) {
  const auto pins = Pins({KVM_IRQCHIP_IOAPIC});
  EXPECT_EQ(pins.at(0), 2U);
  EXPECT_FALSE(pins.contains(2));
  for (unsigned line = 1; line < 24; ++line) {
    if (line != 2) {
      EXPECT_EQ(pins.at(line), line);
    }
  }
  EXPECT_EQ(pins.size(), 23U);
}

TEST(PcRouting, ThePicsHaveSixteenLines) {
  const auto first = Pins({KVM_IRQCHIP_PIC_MASTER});
  const auto second = Pins({KVM_IRQCHIP_PIC_SLAVE});
  ASSERT_EQ(first.size(), 8U);
  ASSERT_EQ(second.size(), 8U);
  for (unsigned line = 0; line < 8; ++line) {
    EXPECT_EQ(first.at(line), line);
    EXPECT_EQ(second.at(line + 8), line);
  }
}

}  // namespace
}  // namespace veneer::kvm
