#include "veneer/vmm/boot/acpi/acpi_tables.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <numeric>
#include <span>

#include "acpi_layout.h"
#include "cpus.hex"
#include "dsdt.hex"
#include "interrupt_flags.h"
#include "table_bytes.h"
#include "veneer/vmm/base/check.h"

namespace veneer {
namespace {

using acpi::GenericAddress;

constexpr std::array<char, 6> kOemId{'V', 'E', 'N', 'E', 'E', 'R'};
constexpr std::array<char, 8> kOemTableId{'V', 'E', 'N', 'E', 'E', 'R', ' ', ' '};
constexpr std::array<char, 4> kCreatorId{'V', 'N', 'E', 'R'};
constexpr std::uint8_t kUidForAll = 0xff;

// FADT fields.
constexpr std::uint8_t kFadtRevision = 6;
constexpr std::uint8_t kProfileEnterpriseServer = 4;
constexpr std::uint16_t kNoC2 = 101;  // latencies above these mean: not supported
constexpr std::uint16_t kNoC3 = 1001;
constexpr std::uint8_t kCmosCentury = 0x32;
// COM port and the like are there, VGA is not. The i8042 bit stays clear: guests would only search
// for a keyboard.
constexpr std::uint16_t kBootLegacyDevices = 1U << 0U;
constexpr std::uint16_t kBootNoVga = 1U << 2U;
constexpr std::uint16_t kBootNoAspm = 1U << 4U;
constexpr std::uint32_t kFlagWbinvd = 1U << 0U;
constexpr std::uint32_t kFlagC1 = 1U << 2U;
constexpr std::uint32_t kFlagNoSleepButton = 1U << 5U;
constexpr std::uint32_t kFlagTimer32Bit = 1U << 8U;
constexpr std::uint32_t kFlagResetRegister = 1U << 10U;
constexpr std::uint8_t kPm1EventBytes = 4;
constexpr std::uint8_t kPm1ControlBytes = 2;
constexpr std::uint8_t kPmTimerBytes = 4;
constexpr std::uint8_t kGpe0Bytes = 4;

constexpr std::uint32_t kMadtHasPic = 1;
constexpr std::uint32_t kLocalApicEnabled = 1;

GenericAddress IoRegister(std::uint16_t port, unsigned bytes, unsigned access_bytes) {
  GenericAddress address{};
  address.space = 1;
  address.bit_width = static_cast<std::uint8_t>(bytes * 8);
  address.access_size = static_cast<std::uint8_t>(access_bytes == 4 ? 3 : access_bytes);
  address.address = port;
  return address;
}

acpi::Header MakeHeader(const char (&signature)[5], std::uint8_t revision) {
  acpi::Header header{};
  std::copy_n(signature, 4, header.signature.begin());
  header.revision = revision;
  header.oem_id = kOemId;
  header.oem_table_id = kOemTableId;
  header.oem_revision = 1;
  header.creator_id = kCreatorId;
  header.creator_revision = 1;
  return header;
}

// Fills in length and checksum of a table that begins with a Header.
void Finish(TableBytes& table) {
  const auto length = static_cast<std::uint32_t>(table.size());
  std::memcpy(&table[offsetof(acpi::Header, length)], &length, sizeof length);
  table[offsetof(acpi::Header, checksum)] = std::byte{TableChecksum(table)};
}

TableBytes MakeFadt(const AcpiConfig& config, std::uint32_t facs, std::uint32_t dsdt) {
  acpi::Fadt fadt{};
  fadt.header = MakeHeader("FACP", kFadtRevision);
  fadt.facs = facs;  // and not x_facs: only one of them may be set
  fadt.dsdt = dsdt;
  fadt.x_dsdt = dsdt;
  fadt.preferred_pm_profile = kProfileEnterpriseServer;
  fadt.sci_interrupt = config.sci;
  fadt.pm1a_event = config.pm1_event_port;
  fadt.pm1a_control = config.pm1_control_port;
  fadt.pm_timer = config.pm_timer_port;
  fadt.gpe0 = config.gpe0_port;
  fadt.pm1_event_length = kPm1EventBytes;
  fadt.pm1_control_length = kPm1ControlBytes;
  fadt.pm_timer_length = kPmTimerBytes;
  fadt.gpe0_length = kGpe0Bytes;
  fadt.c2_latency = kNoC2;
  fadt.c3_latency = kNoC3;
  fadt.century = kCmosCentury;
  fadt.boot_architecture = kBootLegacyDevices | kBootNoVga | kBootNoAspm;
  fadt.flags = kFlagWbinvd | kFlagC1 | kFlagNoSleepButton | kFlagTimer32Bit | kFlagResetRegister;
  fadt.reset_register = IoRegister(config.reset_port, 1, 1);
  fadt.reset_value = config.reset_value;
  fadt.x_pm1a_event = IoRegister(config.pm1_event_port, kPm1EventBytes, 2);
  fadt.x_pm1a_control = IoRegister(config.pm1_control_port, kPm1ControlBytes, 2);
  fadt.x_pm_timer = IoRegister(config.pm_timer_port, kPmTimerBytes, 4);
  fadt.x_gpe0 = IoRegister(config.gpe0_port, kGpe0Bytes, 1);
  std::copy(kOemId.begin(), kOemId.end(), fadt.hypervisor_vendor.begin());
  TableBytes table;
  Append(table, fadt);
  Finish(table);
  return table;
}

TableBytes MakeMadt(const AcpiConfig& config) {
  TableBytes table;
  Append(table, acpi::Madt{MakeHeader("APIC", 5), config.local_apic, kMadtHasPic});
  for (const AcpiConfig::Processor& processor : config.processors) {
    Append(table, acpi::MadtLocalApic{.processor_uid = processor.uid,
                                      .apic_id = processor.apic_id,
                                      .flags = processor.present ? kLocalApicEnabled : 0});
  }
  Append(table, acpi::MadtIoApic{.id = config.io_apic_id, .address = config.io_apic});
  // The PIT's interrupt arrives on pin 2 of a PC's IOAPIC.
  Append(table, acpi::MadtSourceOverride{.source = 0, .gsi = 2, .flags = kAsTheBus});
  Append(table, acpi::MadtSourceOverride{.source = static_cast<std::uint8_t>(config.sci),
                                         .gsi = config.sci,
                                         .flags = kActiveHighLevel});
  Append(table, acpi::MadtLocalApicNmi{.processor_uid = kUidForAll, .flags = kAsTheBus, .lint = 1});
  Finish(table);
  return table;
}

TableBytes MakeXsdt(std::span<const std::uint64_t> tables) {
  TableBytes table;
  Append(table, MakeHeader("XSDT", 1));
  for (const std::uint64_t address : tables) {
    Append(table, address);
  }
  Finish(table);
  return table;
}

TableBytes MakeFacs() {
  acpi::Facs facs{};
  facs.signature = {'F', 'A', 'C', 'S'};
  facs.length = sizeof facs;
  facs.version = 2;
  TableBytes table;
  Append(table, facs);
  return table;
}

TableBytes MakeDsdt() {
  TableBytes table;
  Append(table, dsdt_aml_code);
  return table;
}

// Gives the one object that `Name (NAME, 0x7FFFFFFF)` makes in ASL another value.
void SetName(TableBytes& table, const char (&name)[5], std::uint32_t value) {
  // ACPI 6.4, 20.2.5.1 and 20.2.3.
  constexpr std::byte kNameOp{0x08};
  constexpr std::byte kDWordPrefix{0x0c};
  TableBytes object{kNameOp};
  std::transform(name, name + 4, std::back_inserter(object),
                 [](char letter) { return static_cast<std::byte>(letter); });
  object.push_back(kDWordPrefix);
  const auto found = std::search(table.begin(), table.end(), object.begin(), object.end());
  VENEER_CHECK(table.end() - found >= static_cast<std::ptrdiff_t>(object.size() + sizeof value));
  std::memcpy(&*found + object.size(), &value, sizeof value);
}

TableBytes MakeCpuSsdt(std::uint32_t madt, std::size_t processors) {
  TableBytes table;
  Append(table, cpus_aml_code);
  SetName(table, "MADT", madt);
  SetName(table, "NCPU", static_cast<std::uint32_t>(processors));
  table[offsetof(acpi::Header, checksum)] = {};  // iasl's, of before
  Finish(table);
  return table;
}

TableBytes MakeRsdp(std::uint64_t xsdt) {
  acpi::Rsdp rsdp{};
  rsdp.signature = {'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '};
  rsdp.oem_id = kOemId;
  rsdp.revision = 2;
  rsdp.length = sizeof rsdp;
  rsdp.xsdt = xsdt;
  const auto bytes = std::as_bytes(std::span(&rsdp, 1));
  rsdp.checksum = TableChecksum(bytes.first(acpi::kRsdpFirstPart));
  rsdp.extended_checksum = TableChecksum(bytes);
  TableBytes table;
  Append(table, rsdp);
  return table;
}

Result<void> CheckConfig(const AcpiConfig& config, Gpa where) {
  if (config.processors.empty() || !config.processors.front().present) {
    return UsageError("the ACPI tables need at least one processor");
  }
  std::bitset<256> uids;
  std::bitset<256> apic_ids;
  for (const AcpiConfig::Processor& processor : config.processors) {
    // 255 addresses all processors at once.
    if (processor.uid == 0xff || processor.apic_id == 0xff || uids[processor.uid] ||
        apic_ids[processor.apic_id]) {
      return UsageError(
          "the ACPI tables cannot name processor {} with APIC id {}: ids must differ "
          "and be below 255",
          processor.uid, processor.apic_id);
    }
    if (config.cpu_hotplug && processor.uid != uids.count()) {
      return UsageError("processors that come and go are numbered from 0 on: the next is not {}",
                        processor.uid);
    }
    uids.set(processor.uid);
    apic_ids.set(processor.apic_id);
  }
  if (config.cpu_hotplug && config.processors.size() > kHotplugProcessors) {
    return UsageError("at most {} processors can come and go", kHotplugProcessors);
  }
  if (config.sci < 1 || config.sci > 15) {
    return UsageError("the ACPI interrupt must be an ISA interrupt from 1 to 15, not {}",
                      config.sci);
  }
  if (where.PageOffset() != 0 || where.value > 0xffffffff - kAcpiTablesLimit) {
    return UsageError("the ACPI tables cannot lie at {:#x}: choose a page below 4 GiB",
                      where.value);
  }
  return {};
}

// Places tables one after the other; they must be placed before those that point at them.
class Placer {
 public:
  explicit Placer(Gpa where) : where_(where) {}

  // Address of the table, a multiple of `alignment`.
  std::uint32_t Place(const TableBytes& table, std::size_t alignment) {
    image_.resize((image_.size() + alignment - 1) / alignment * alignment);
    const std::uint64_t address = where_.value + image_.size();
    image_.insert(image_.end(), table.begin(), table.end());
    return static_cast<std::uint32_t>(address);
  }
  const TableBytes& image() const { return image_; }

 private:
  const Gpa where_;
  TableBytes image_;
};

}  // namespace

Result<AcpiTables> WriteAcpiTables(GuestMemory& memory, Gpa where, const AcpiConfig& config) {
  VENEER_TRY(CheckConfig(config, where));
  constexpr std::size_t kRsdpAlignment = 16;
  constexpr std::size_t kFacsAlignment = 64;
  constexpr std::size_t kTableAlignment = 8;
  Placer placer(where);
  const std::uint32_t facs = placer.Place(MakeFacs(), kFacsAlignment);
  const std::uint32_t dsdt = placer.Place(MakeDsdt(), kTableAlignment);
  std::vector<std::uint64_t> tables{placer.Place(MakeFadt(config, facs, dsdt), kTableAlignment)};
  const std::uint32_t madt = placer.Place(MakeMadt(config), kTableAlignment);
  tables.push_back(madt);
  if (config.cpu_hotplug) {
    tables.push_back(placer.Place(MakeCpuSsdt(madt, config.processors.size()), kTableAlignment));
  }
  const std::uint32_t xsdt = placer.Place(MakeXsdt(tables), kTableAlignment);
  const std::uint32_t rsdp = placer.Place(MakeRsdp(xsdt), kRsdpAlignment);

  const std::uint64_t used = (placer.image().size() + kPageSize - 1) / kPageSize * kPageSize;
  if (!memory.WriteBytes(where, placer.image()) || memory.Pin(where, used).empty()) {
    return UsageError("the ACPI tables do not fit: the guest has no RAM at {:#x}; give it more",
                      where.value);
  }
  return AcpiTables{Gpa{rsdp}, GuestMemory::Range{where, used}};
}

}  // namespace veneer
