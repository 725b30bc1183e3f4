#include "mp_table.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "interrupt_flags.h"
#include "mp_layout.h"
#include "table_bytes.h"

namespace veneer {
namespace {

// Guests take the number of a PCI bus for its id.
constexpr std::uint8_t kPciBus = 0;
constexpr std::uint8_t kIsaBus = 1;
constexpr std::uint8_t kEveryApic = 0xff;
constexpr std::uint8_t kUsable = 1;
constexpr std::uint8_t kBootProcessor = 2;
constexpr std::uint8_t kCascade = 2;  // where the second 8259 is connected: no interrupt of its own
constexpr std::uint8_t kTimerPin = 2;
constexpr std::uint8_t kIsaInterrupts = 16;

// Collects the entries behind the header and counts them.
class MpTable {
 public:
  template <typename Entry>
  void Add(const Entry& entry) {
    Append(entries_, entry);
    ++count_;
  }

  TableBytes Finish(std::uint32_t local_apic) const {
    mp::Header header{.local_apic = local_apic};
    header.length = static_cast<std::uint16_t>(sizeof header + entries_.size());
    header.entries = count_;
    TableBytes table;
    Append(table, header);
    table.insert(table.end(), entries_.begin(), entries_.end());
    table[offsetof(mp::Header, checksum)] = std::byte{TableChecksum(table)};
    return table;
  }

 private:
  TableBytes entries_;
  std::uint16_t count_ = 0;
};

void AddInterrupts(MpTable& table, const AcpiConfig& config) {
  const auto at_io_apic = [&](std::uint8_t bus, std::uint8_t source, std::uint8_t pin,
                              std::uint16_t flags) {
    table.Add(mp::Interrupt{.type = mp::Interrupt::kAtIoApic,
                            .kind = mp::Interrupt::kVectored,
                            .flags = flags,
                            .source_bus = bus,
                            .source = source,
                            .apic = config.io_apic_id,
                            .pin = pin});
  };
  for (std::uint8_t irq = 0; irq < kIsaInterrupts; ++irq) {
    // A pin is either edge-triggered, for ISA, or level-triggered, for PCI.
    const bool is_pci = std::ranges::find(kPciSlotInterrupts, irq) != kPciSlotInterrupts.end();
    if (irq != kCascade && !is_pci) {
      at_io_apic(kIsaBus, irq, irq == 0 ? kTimerPin : irq,
                 irq == config.sci ? kActiveHighLevel : kAsTheBus);
    }
  }
  std::uint8_t slot = 1;
  for (const std::uint8_t pin : kPciSlotInterrupts) {
    at_io_apic(kPciBus, static_cast<std::uint8_t>(slot++ << 2U), pin, 0);
  }
  const auto at_local_apics = [&](std::uint8_t kind, std::uint8_t pin) {
    table.Add(mp::Interrupt{.type = mp::Interrupt::kAtLocalApic,
                            .kind = kind,
                            .source_bus = kIsaBus,
                            .source = 0,
                            .apic = kEveryApic,
                            .pin = pin});
  };
  at_local_apics(mp::Interrupt::kExternal, 0);
  at_local_apics(mp::Interrupt::kNmi, 1);
}

TableBytes MakeTable(const AcpiConfig& config) {
  MpTable table;
  std::uint8_t boot = kBootProcessor;
  for (const AcpiConfig::Processor& processor : config.processors) {
    if (!processor.present) {
      continue;
    }
    table.Add(mp::Processor{.apic_id = processor.apic_id,
                            .flags = static_cast<std::uint8_t>(kUsable | boot)});
    boot = 0;
  }
  table.Add(mp::Bus{.id = kPciBus, .name = {'P', 'C', 'I', ' ', ' ', ' '}});
  table.Add(mp::Bus{.id = kIsaBus, .name = {'I', 'S', 'A', ' ', ' ', ' '}});
  table.Add(mp::IoApic{.id = config.io_apic_id, .address = config.io_apic});
  AddInterrupts(table, config);
  return table.Finish(config.local_apic);
}

}  // namespace

Result<void> WriteMpTable(GuestMemory& memory, const AcpiConfig& config) {
  TableBytes image;
  Append(image, mp::FloatingPointer{.table = static_cast<std::uint32_t>(
                                        kMpTableBase.value + sizeof(mp::FloatingPointer))});
  image[offsetof(mp::FloatingPointer, checksum)] = std::byte{TableChecksum(image)};
  const TableBytes table = MakeTable(config);
  image.insert(image.end(), table.begin(), table.end());
  if (image.size() > kMpTableLimit) {
    return UsageError("the MP table has no room for {} processors", config.processors.size());
  }
  if (!memory.WriteBytes(kMpTableBase, image)) {
    return UsageError("the MP table does not fit: the guest has no RAM at {:#x}; give it more",
                      kMpTableBase.value);
  }
  return {};
}

}  // namespace veneer
