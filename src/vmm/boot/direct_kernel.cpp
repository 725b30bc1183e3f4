#include <utility>

#include "veneer/vmm/base/log.h"
#include "veneer/vmm/boot/acpi/mp_table.h"
#include "veneer/vmm/boot/boot_source.h"

namespace veneer {
namespace {

class DirectKernel final : public BootSource {
 public:
  explicit DirectKernel(BootConfig config) : config_(std::move(config)) {}

  std::vector<GuestMemory::Range> LayOut(
      std::span<const GuestMemory::Range> /*ram*/) const override {
    return {};
  }

  Result<PreparedBoot> Prepare(const BootMachine& machine, GuestMemory& memory) override {
    VENEER_TRY_ASSIGN(const AcpiTables tables,
                      WriteAcpiTables(memory, kAcpiTablesDefault, machine.acpi));
    VENEER_TRY(WriteMpTable(memory, machine.acpi));
    BootConfig boot = config_;
    boot.rsdp = tables.rsdp;
    boot.ram = machine.ram;
    boot.special = machine.special;
    boot.special.push_back(E820Entry{tables.range.base, tables.range.size, E820Type::kReserved});
    VENEER_TRY_ASSIGN(PreparedBoot prepared, PrepareBoot(boot, memory));
    prepared.starts_another = boot.entry == KernelEntry::kDecompressor;
    LogInfo("loaded {} ({}), entry {:#x}", boot.kernel, prepared.kernel.description,
            prepared.entry.rip);
    LogDebug("kernel command line: {}", boot.cmdline);
    return prepared;
  }

 private:
  const BootConfig config_;
};

}  // namespace

std::unique_ptr<BootSource> MakeDirectKernel(BootConfig config) {
  return std::make_unique<DirectKernel>(std::move(config));
}

}  // namespace veneer
