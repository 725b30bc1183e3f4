// The PCI root: configuration mechanism 1 (0xcf8/0xcfc), the reset control register (0xcf9), bus 0
// and the wiring of INTx pins to interrupt lines.
//
// There is no firmware, so AssignResources() does what firmware would: it places BARs and fills in
// interrupt lines. The DSDT's _CRS and _PRT describe the same windows and wiring.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "veneer/devices/pci/pci_device.h"
#include "veneer/vmm/base/log.h"
#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/bus/bus.h"
#include "veneer/vmm/bus/interrupt.h"
#include "veneer/vmm/bus/power_control.h"

namespace veneer {

// Lock order: configuration lock, then bus or interrupt lock, then the interrupt line.
class PciHost final : public BusDevice {
 public:
  static constexpr std::uint64_t kConfigAddress = 0xcf8;
  static constexpr std::uint64_t kConfigSize = 8;
  static constexpr unsigned kSlots = 32;
  static constexpr unsigned kFunctions = 8;
  static constexpr unsigned kIntxLines = 4;

  // A BAR decodes only inside these, as on a real root bridge. [base, end).
  static constexpr std::uint64_t kIoBase = 0x0d00;
  static constexpr std::uint64_t kIoEnd = 0x10000;
  static constexpr std::uint64_t kMemoryBase = 0xc0000000;
  static constexpr std::uint64_t kMemoryEnd = 0xfec00000;
  // Where AssignResources() starts.
  static constexpr std::uint64_t kFirstIoBar = 0xc000;
  static constexpr std::uint64_t kFirstMemoryBar = 0xe0000000;

  // The interrupt (level-triggered) that the INTA pin of a slot is wired to. All are below 16, so
  // that guests with only the PIC see them too.
  static Gsi IntxGsi(unsigned slot);
  // The same for line `index` (below kIntxLines) of the constructor's array.
  static Gsi LineGsi(unsigned index);

  // All must outlive this object; lines[i] leads to LineGsi(i).
  PciHost(Bus& ports, Bus& memory, const std::array<InterruptLine*, kIntxLines>& lines,
          PowerControl& power)
      : ports_(ports), memory_(memory), lines_(lines), power_(power) {}

  Result<void> Attach();

  // Any thread. `device` must stay until the vCPUs have stopped, RemoveDevice() or not.
  Result<void> AddDevice(unsigned slot, unsigned function, PciDevice& device);
  // Any thread: as if pulled out of its slot. No effect if it is not there.
  void RemoveDevice(PciDevice& device);

  // Places the BARs of all devices, lets them decode, and fills in interrupt lines. Before the
  // vCPUs run.
  Result<void> AssignResources();

  std::uint64_t Read(std::uint64_t offset, unsigned size) override;
  void Write(std::uint64_t offset, unsigned size, std::uint64_t value) override;

 private:
  friend class PciDevice;

  // With config_mutex_ held, all of them.
  PciDevice* Selected() const REQUIRES(config_mutex_);
  std::uint32_t ReadData(std::uint64_t byte, unsigned size) const REQUIRES(config_mutex_);
  void WriteData(std::uint64_t byte, unsigned size, std::uint32_t value) REQUIRES(config_mutex_);
  bool WriteResetControl(std::uint8_t value) REQUIRES(config_mutex_);
  void UpdateBars(PciDevice& device);
  void MoveBar(PciDevice& device, unsigned index, std::optional<std::uint64_t> base);
  std::optional<std::uint64_t> WantedBase(const PciDevice& device, unsigned index) const;

  // Takes interrupt_mutex_.
  void SetIntx(PciDevice& device, bool asserted);
  void SetIntxDisabled(PciDevice& device, bool disabled);
  void UpdateIntx(PciDevice& device) REQUIRES(interrupt_mutex_);

  Bus& ports_;
  Bus& memory_;
  const std::array<InterruptLine*, kIntxLines> lines_;
  PowerControl& power_;
  LogLimiter bar_messages_;

  mutable Mutex config_mutex_;  // guards the configuration spaces of all devices, too
  std::array<PciDevice*, kSlots * kFunctions> devices_ GUARDED_BY(config_mutex_){};
  std::uint32_t address_ GUARDED_BY(config_mutex_) = 0;
  std::uint8_t reset_control_ GUARDED_BY(config_mutex_) = 0;

  Mutex interrupt_mutex_ ACQUIRED_AFTER(config_mutex_);
  // Devices that hold the line.
  std::array<unsigned, kIntxLines> asserted_ GUARDED_BY(interrupt_mutex_){};
};

}  // namespace veneer
