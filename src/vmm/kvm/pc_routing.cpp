#include "pc_routing.h"

#include <cstdint>

namespace veneer::kvm {
namespace {

constexpr std::uint32_t kPicPins = 8;  // of each of the two
constexpr std::uint32_t kPicLines = 2 * kPicPins;
constexpr std::uint32_t kIoApicPins = 24;
constexpr std::uint32_t kTimer = 0;
constexpr std::uint32_t kTimerPin = 2;  // line 2 is the PICs' own, and comes nowhere else

kvm_irq_routing_entry Entry(std::uint32_t line, std::uint32_t chip, std::uint32_t pin) {
  kvm_irq_routing_entry entry{};
  entry.gsi = line;
  entry.type = KVM_IRQ_ROUTING_IRQCHIP;
  entry.u.irqchip = {.irqchip = chip, .pin = pin};
  return entry;
}

}  // namespace

std::vector<kvm_irq_routing_entry> PcRouting() {
  std::vector<kvm_irq_routing_entry> entries;
  for (std::uint32_t line = 0; line < kPicLines; ++line) {
    entries.push_back(Entry(line, line < kPicPins ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE,
                            line % kPicPins));
  }
  for (std::uint32_t line = 0; line < kIoApicPins; ++line) {
    if (line != kTimerPin) {
      entries.push_back(Entry(line, KVM_IRQCHIP_IOAPIC, line == kTimer ? kTimerPin : line));
    }
  }
  return entries;
}

}  // namespace veneer::kvm
