#include "mainboard.h"

#include <utility>

namespace veneer {
namespace {

std::array<InterruptLine*, PciHost::kIntxLines> Raw(
    const std::array<std::unique_ptr<InterruptLine>, PciHost::kIntxLines>& lines) {
  std::array<InterruptLine*, PciHost::kIntxLines> raw{};
  for (std::size_t i = 0; i < raw.size(); ++i) {
    raw[i] = lines[i].get();
  }
  return raw;
}

std::array<std::unique_ptr<InterruptLine>, PciHost::kIntxLines> MakeIntxLines(
    const Mainboard::MakeLine& make_line) {
  std::array<std::unique_ptr<InterruptLine>, PciHost::kIntxLines> lines;
  for (unsigned i = 0; i < lines.size(); ++i) {
    lines[i] = make_line(PciHost::LineGsi(i));
  }
  return lines;
}

}  // namespace

Mainboard::Mainboard(const Wiring& wiring, const MakeLine& make_line)
    : ports_(wiring.ports),
      serial_sink_(wiring.serial_output),
      debug_sink_(wiring.debug_output),
      serial_line_(make_line(Serial16550::kCom1Gsi)),
      rtc_line_(make_line(CmosRtc::kGsi)),
      sci_line_(make_line(AcpiPm::kSci)),
      intx_lines_(MakeIntxLines(make_line)),
      serial_(*serial_line_, serial_sink_, wiring.clock),
      serial_timer_(wiring.loop, [this] { serial_.OnDeadline(); }),
      rtc_(wiring.clock, *rtc_line_, wiring.memory),
      rtc_timer_(wiring.loop, [this] { rtc_.OnDeadline(); }),
      keyboard_(wiring.power),
      acpi_pm_(wiring.clock, *sci_line_, wiring.power),
      debug_port_(debug_sink_),
      pci_(wiring.ports, wiring.mmio, Raw(intx_lines_), wiring.power) {
  serial_.SetTimer(serial_timer_);
  rtc_.SetTimer(rtc_timer_);
  rtc_.SetAlarmHandler([this] { acpi_pm_.RaiseRtcAlarm(); });
}

Result<void> Mainboard::Attach() {
  VENEER_TRY(serial_.Attach(ports_));
  VENEER_TRY(rtc_.Attach(ports_));
  VENEER_TRY(keyboard_.Attach(ports_));
  VENEER_TRY(acpi_pm_.Attach(ports_));
  VENEER_TRY(debug_port_.Attach(ports_));
  VENEER_TRY(post_port_.Attach(ports_));
  VENEER_TRY(pci_.Attach());
  return pci_.AddDevice(0, 0, host_bridge_);
}

Result<void> Mainboard::AttachForFirmware(std::span<const CmosRtc::BootDevice> boot_order) {
  rtc_.SetBootOrder(boot_order);
  return fw_cfg_.Attach(ports_);
}

Result<void> Mainboard::AttachCpus(unsigned possible, unsigned present,
                                   AcpiCpus::EjectHandler on_eject) {
  cpus_.emplace(acpi_pm_, possible, present, std::move(on_eject));
  return cpus_->Attach(ports_);
}

void Mainboard::Flush() {
  serial_.Flush();
  debug_port_.Flush();
}

}  // namespace veneer
