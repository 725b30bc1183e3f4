// The devices of a plain PC, wired to a machine's buses and interrupt lines.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "veneer/devices/pc/acpi_cpus.h"
#include "veneer/devices/pc/acpi_pm.h"
#include "veneer/devices/pc/cmos_rtc.h"
#include "veneer/devices/pc/debug_port.h"
#include "veneer/devices/pc/fw_cfg.h"
#include "veneer/devices/pc/i8042.h"
#include "veneer/devices/pc/serial_16550.h"
#include "veneer/devices/pci/pci_bridges.h"
#include "veneer/devices/pci/pci_host.h"
#include "veneer/vmm/base/clock.h"
#include "veneer/vmm/base/deadline_timer.h"
#include "veneer/vmm/base/event_loop.h"
#include "veneer/vmm/bus/bus.h"

namespace veneer {

// A sink that is a function.
class FunctionSink final : public CharacterSink {
 public:
  using Function = std::function<void(std::span<const std::byte>)>;
  explicit FunctionSink(Function function) : function_(std::move(function)) {}
  void Write(std::span<const std::byte> text) override { function_(text); }

 private:
  Function function_;
};

// Everything on the mainboard, as one list of members. All arguments must outlive it.
class Mainboard {
 public:
  using MakeLine = std::function<std::unique_ptr<InterruptLine>(Gsi)>;
  struct Wiring {
    Bus& ports;
    Bus& mmio;
    const Clock& clock;
    EventLoop& loop;
    PowerControl& power;
    CmosRtc::Memory memory;
    FunctionSink::Function serial_output;
    FunctionSink::Function debug_output;
  };
  Mainboard(const Wiring& wiring, const MakeLine& make_line);

  // Puts everything on the buses. More PCI devices may follow; then pci().AssignResources().
  Result<void> Attach();

  // What a BIOS asks a PC, and which disks it tries first. Before the vCPUs run.
  Result<void> AttachForFirmware(std::span<const CmosRtc::BootDevice> boot_order);

  // For processors that come and go, see AcpiCpus. Before the vCPUs run.
  Result<void> AttachCpus(unsigned possible, unsigned present, AcpiCpus::EjectHandler on_eject);

  Serial16550& serial() { return serial_; }
  AcpiPm& acpi_pm() { return acpi_pm_; }
  // Null without AttachCpus().
  AcpiCpus* cpus() { return cpus_ ? &*cpus_ : nullptr; }
  PciHost& pci() { return pci_; }
  // Hands on what devices still hold back.
  void Flush();

 private:
  Bus& ports_;
  FunctionSink serial_sink_;
  FunctionSink debug_sink_;
  std::unique_ptr<InterruptLine> serial_line_;
  std::unique_ptr<InterruptLine> rtc_line_;
  std::unique_ptr<InterruptLine> sci_line_;
  std::array<std::unique_ptr<InterruptLine>, PciHost::kIntxLines> intx_lines_;

  Serial16550 serial_;
  LoopTimer serial_timer_;
  CmosRtc rtc_;
  LoopTimer rtc_timer_;
  I8042 keyboard_;
  AcpiPm acpi_pm_;
  std::optional<AcpiCpus> cpus_;
  DebugPort debug_port_;
  PostPort post_port_;
  PciHost pci_;
  PciHostBridge host_bridge_;
  FwCfg fw_cfg_;
};

}  // namespace veneer
