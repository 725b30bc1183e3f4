#include "veneer/devices/pci/pci_host.h"

#include <algorithm>
#include <utility>

#include "pci_config.h"
#include "veneer/vmm/base/check.h"

namespace veneer {
namespace {

// CONFIG_ADDRESS: enable, bus, device, function, dword.
constexpr std::uint32_t kEnable = 0x80000000;
constexpr std::uint32_t kAddressBits = 0x80fffffc;

constexpr std::uint64_t kConfigData = 4;          // offset of 0xcfc in the window
constexpr std::uint64_t kResetControlOffset = 1;  // offset of 0xcf9 in the window
constexpr std::uint8_t kResetCpu = 0x04;
constexpr std::uint8_t kResetControlBits = 0x0e;

// The ISA interrupts that a PC without sound card and PS/2 mouse has to spare.
constexpr std::array<std::uint32_t, PciHost::kIntxLines> kLineGsis{5, 10, 11, 12};

unsigned LineOf(unsigned slot) { return slot % PciHost::kIntxLines; }

std::uint64_t AlignUp(std::uint64_t value, std::uint64_t alignment) {
  return (value + alignment - 1) & ~(alignment - 1);
}

}  // namespace

Gsi PciHost::LineGsi(unsigned index) { return Gsi{kLineGsis[index]}; }

Gsi PciHost::IntxGsi(unsigned slot) { return LineGsi(LineOf(slot)); }

Result<void> PciHost::Attach() { return ports_.Attach(kConfigAddress, kConfigSize, *this); }

Result<void> PciHost::AddDevice(unsigned slot, unsigned function, PciDevice& device) {
  VENEER_CHECK(slot < kSlots && function < kFunctions && device.host_ == nullptr);
  const MutexLock lock(config_mutex_);
  PciDevice*& place = devices_[slot * kFunctions + function];
  if (place != nullptr) {
    return UsageError("PCI slot {:02x}.{} is taken; give the device another one", slot, function);
  }
  place = &device;
  device.devfn_ = static_cast<std::uint8_t>(slot * kFunctions + function);
  device.host_ = this;
  UpdateBars(device);
  return {};
}

void PciHost::RemoveDevice(PciDevice& device) {
  const MutexLock lock(config_mutex_);
  if (devices_[device.devfn_] != &device) {
    return;
  }
  devices_[device.devfn_] = nullptr;
  for (unsigned i = 0; i < PciDevice::kBarCount; ++i) {
    MoveBar(device, i, std::nullopt);
  }
  // Before the pin is let go: a device thread that raises it at this moment no longer counts.
  device.host_ = nullptr;
  SetIntx(device, false);
}

Result<void> PciHost::AssignResources() {
  const MutexLock lock(config_mutex_);
  std::uint64_t next_io = kFirstIoBar;
  std::uint64_t next_memory = kFirstMemoryBar;
  for (PciDevice* device : devices_) {
    if (device == nullptr) {
      continue;
    }
    std::uint32_t command = device->Config(pci::kCommand, 2);
    for (unsigned i = 0; i < PciDevice::kBarCount; ++i) {
      const PciDevice::Bar& bar = device->bars_[i];
      if (bar.size == 0) {
        continue;
      }
      const bool io = bar.kind == PciDevice::BarKind::kIo;
      std::uint64_t& next = io ? next_io : next_memory;
      // Memory in whole pages, so that no two devices share one.
      const std::uint64_t size = io ? bar.size : std::max<std::uint64_t>(bar.size, 4096);
      const std::uint64_t base = AlignUp(next, size);
      if (base + size > (io ? kIoEnd : kMemoryEnd)) {
        return UsageError("the PCI devices need more {} space than a PC has; take some away",
                          io ? "I/O" : "memory");
      }
      next = base + size;
      device->WriteConfig(static_cast<std::uint8_t>(pci::kBars + i * 4), 4,
                          static_cast<std::uint32_t>(base));
      command |= io ? pci::kCommandIo : pci::kCommandMemory;
    }
    device->WriteConfig(pci::kCommand, 2, command);
    if (device->has_interrupt_pin_) {
      device->WriteConfig(pci::kInterruptLine, 1, IntxGsi(device->devfn_ / kFunctions).value);
    }
    UpdateBars(*device);
  }
  return {};
}

std::optional<std::uint64_t> PciHost::WantedBase(const PciDevice& device, unsigned index) const {
  const PciDevice::Bar& bar = device.bars_[index];
  const bool io = bar.kind == PciDevice::BarKind::kIo;
  const std::uint32_t command = device.Config(pci::kCommand, 2);
  if (bar.size == 0 || (command & (io ? pci::kCommandIo : pci::kCommandMemory)) == 0) {
    return std::nullopt;
  }
  const std::uint64_t base =
      device.Config(static_cast<std::uint8_t>(pci::kBars + index * 4), 4) & ~(bar.size - 1);
  const bool inside =
      base >= (io ? kIoBase : kMemoryBase) && base + bar.size <= (io ? kIoEnd : kMemoryEnd);
  return inside ? std::optional(base) : std::nullopt;
}

void PciHost::MoveBar(PciDevice& device, unsigned index, std::optional<std::uint64_t> base) {
  PciDevice::Bar& bar = device.bars_[index];
  Bus& bus = bar.kind == PciDevice::BarKind::kIo ? ports_ : memory_;
  const std::optional<std::uint64_t> before = device.BarBase(index);
  if (before && bar.window != nullptr) {
    bus.Detach(*before);
  }
  if (base && bar.window != nullptr) {
    if (const Result<void> attached = bus.Attach(*base, bar.size, *bar.window); !attached) {
      LogGuest(bar_messages_, "PCI {:02x}.{} BAR {} stays off: {}", device.devfn_ / kFunctions,
               device.devfn_ % kFunctions, index, attached.error().message);
      base = std::nullopt;
    }
  }
  bar.base = base.value_or(PciDevice::kNotMapped);
  if (base != before) {
    device.OnBarMoved(index, base);
  }
}

void PciHost::UpdateBars(PciDevice& device) {
  // First away from the old places, then to the new ones: BARs of one device may swap places.
  for (unsigned i = 0; i < PciDevice::kBarCount; ++i) {
    const std::optional<std::uint64_t> now = device.BarBase(i);
    if (now && now != WantedBase(device, i)) {
      MoveBar(device, i, std::nullopt);
    }
  }
  for (unsigned i = 0; i < PciDevice::kBarCount; ++i) {
    const std::optional<std::uint64_t> wanted = WantedBase(device, i);
    if (wanted && !device.BarBase(i)) {
      MoveBar(device, i, wanted);
    }
  }
}

PciDevice* PciHost::Selected() const {
  const std::uint32_t bus = (address_ >> 16U) & 0xffU;
  if ((address_ & kEnable) == 0 || bus != 0) {
    return nullptr;
  }
  return devices_[(address_ >> 8U) & 0xffU];
}

std::uint32_t PciHost::ReadData(std::uint64_t byte, unsigned size) const {
  const PciDevice* device = Selected();
  if (device == nullptr) {
    return static_cast<std::uint32_t>(AllOnes(size));
  }
  return device->ReadConfig(static_cast<std::uint8_t>((address_ & 0xfcU) + byte), size);
}

void PciHost::WriteData(std::uint64_t byte, unsigned size, std::uint32_t value) {
  PciDevice* device = Selected();
  if (device == nullptr) {
    return;
  }
  device->WriteConfig(static_cast<std::uint8_t>((address_ & 0xfcU) + byte), size, value);
  UpdateBars(*device);
  SetIntxDisabled(*device, (device->Config(pci::kCommand, 2) & pci::kCommandIntxDisable) != 0);
}

bool PciHost::WriteResetControl(std::uint8_t value) {
  const std::uint8_t before = std::exchange(reset_control_, value & kResetControlBits);
  return (before & kResetCpu) == 0 && (value & kResetCpu) != 0;
}

std::uint64_t PciHost::Read(std::uint64_t offset, unsigned size) {
  const MutexLock lock(config_mutex_);
  if (offset >= kConfigData) {
    return ReadData(offset - kConfigData, size);
  }
  if (offset == 0 && size == 4) {
    return address_;
  }
  if (offset == kResetControlOffset && size == 1) {
    return reset_control_;
  }
  return AllOnes(size);
}

void PciHost::Write(std::uint64_t offset, unsigned size, std::uint64_t value) {
  bool reset = false;
  {
    const MutexLock lock(config_mutex_);
    if (offset >= kConfigData) {
      WriteData(offset - kConfigData, size, static_cast<std::uint32_t>(value));
    } else if (offset == 0 && size == 4) {
      address_ = static_cast<std::uint32_t>(value) & kAddressBits;
    } else if (offset == kResetControlOffset && size == 1) {
      reset = WriteResetControl(static_cast<std::uint8_t>(value));
    }
  }
  if (reset) {
    power_.Reset();
  }
}

void PciHost::SetIntx(PciDevice& device, bool asserted) {
  const MutexLock lock(interrupt_mutex_);
  device.intx_asserted_ = asserted;
  UpdateIntx(device);
}

void PciHost::SetIntxDisabled(PciDevice& device, bool disabled) {
  const MutexLock lock(interrupt_mutex_);
  device.intx_disabled_ = disabled;
  UpdateIntx(device);
}

void PciHost::UpdateIntx(PciDevice& device) {
  const bool holds = device.host_ == this && device.has_interrupt_pin_ && device.intx_asserted_ &&
                     !device.intx_disabled_;
  if (std::exchange(device.intx_counted_, holds) == holds) {
    return;
  }
  const unsigned line = LineOf(device.devfn_ / kFunctions);
  asserted_[line] = holds ? asserted_[line] + 1 : asserted_[line] - 1;
  lines_[line]->SetLevel(asserted_[line] > 0);
}

}  // namespace veneer
