#include "direct_kernel.h"

#include <utility>

#include "acpi/mp_table.h"
#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/log.h"

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
    VENEER_TRY_ASSIGN(PreparedBoot prepared, PrepareKernel(config_, machine, memory));
    prepared.starts_another = config_.entry == KernelEntry::kDecompressor;
    return prepared;
  }

 private:
  const BootConfig config_;
};

}  // namespace

Result<PreparedBoot> PrepareKernel(BootConfig config, const BootMachine& machine,
                                   GuestMemory& memory) {
  VENEER_TRY_ASSIGN(const AcpiTables tables,
                    WriteAcpiTables(memory, kAcpiTablesDefault, machine.acpi));
  VENEER_TRY(WriteMpTable(memory, machine.acpi));
  if (machine.smbios) {
    VENEER_CHECK(tables.range.base.value + tables.range.size <= kSmbiosDefault.value);
    VENEER_TRY(WriteSmbios(memory, kSmbiosDefault, *machine.smbios));
  }
  config.rsdp = tables.rsdp;
  config.ram = machine.ram;
  config.special = machine.special;
  config.special.push_back(E820Entry{tables.range.base, tables.range.size, E820Type::kReserved});
  VENEER_TRY_ASSIGN(PreparedBoot prepared, PrepareBoot(config, memory));
  LogInfo("loaded {} ({}), entry {:#x}", config.kernel, prepared.kernel.description,
          prepared.entry.rip);
  LogDebug("kernel command line: {}", config.cmdline);
  return prepared;
}

std::unique_ptr<BootSource> MakeDirectKernel(BootConfig config) {
  return std::make_unique<DirectKernel>(std::move(config));
}

}  // namespace veneer
