#include "veneer/devices/pci/pci_device.h"

#include <algorithm>
#include <bit>

#include "pci_config.h"
#include "veneer/devices/pci/pci_host.h"
#include "veneer/vmm/base/check.h"

namespace veneer {

PciDevice::PciDevice(const Identity& identity) {
  SetConfig(pci::kVendor, 2, identity.vendor);
  SetConfig(pci::kDevice, 2, identity.device);
  SetConfig(pci::kRevision, 1, identity.revision);
  SetConfig(pci::kProgrammingInterface, 1, identity.class_code & 0xffU);
  SetConfig(pci::kSubclass, 2, identity.class_code >> 8U);
  SetConfig(pci::kSubsystemVendor, 2, identity.subsystem_vendor);
  SetConfig(pci::kSubsystem, 2, identity.subsystem);
  SetWritable(pci::kCommand, 2, pci::kCommandBits);
  SetWritable(pci::kCacheLineSize, 2, 0xffff);  // and the latency timer: kept, without meaning
  SetWritable(pci::kInterruptLine, 1, 0xff);
}

void PciDevice::AddBar(unsigned index, BarKind kind, std::uint64_t size, BusDevice* window) {
  const bool io = kind == BarKind::kIo;
  VENEER_CHECK(index < kBarCount && bars_[index].size == 0);
  VENEER_CHECK(std::has_single_bit(size));
  VENEER_CHECK(io ? size >= 4 && size <= 256 : size >= 16 && size <= (std::uint64_t{1} << 31U));
  bars_[index].kind = kind;
  bars_[index].size = size;
  bars_[index].window = window;
  const auto offset = static_cast<std::uint8_t>(pci::kBars + index * 4);
  std::uint32_t type = 0;
  if (io) {
    type = pci::kBarIsIo;
  } else if (kind == BarKind::kPrefetchableMemory) {
    type = pci::kBarIsPrefetchable;
  }
  SetConfig(offset, 4, type);
  SetWritable(offset, 4, static_cast<std::uint32_t>(~(size - 1)));
}

void PciDevice::AddInterruptPin() {
  SetConfig(pci::kInterruptPin, 1, pci::kIntA);
  has_interrupt_pin_ = true;
}

void PciDevice::SetMultiFunction() {
  SetConfig(pci::kHeaderType, 1, Config(pci::kHeaderType, 1) | pci::kMultiFunction);
}

std::uint8_t PciDevice::AddCapability(std::uint8_t id, std::span<const std::uint8_t> body) {
  const std::size_t length = (2 + body.size() + 3) & ~std::size_t{3};
  VENEER_CHECK(length <= kConfigSize - capability_end_);
  const auto offset = static_cast<std::uint8_t>(capability_end_);
  // In front of the others: the order has no meaning.
  SetConfig(offset, 1, id);
  SetConfig(static_cast<std::uint8_t>(offset + 1), 1, Config(pci::kCapabilities, 1));
  std::copy(body.begin(), body.end(), config_.begin() + offset + 2);
  SetConfig(pci::kCapabilities, 1, offset);
  SetConfig(pci::kStatus, 2, Config(pci::kStatus, 2) | pci::kStatusCapabilities);
  capability_end_ = static_cast<std::uint16_t>(offset + length);
  return offset;
}

void PciDevice::SetConfig(std::uint8_t offset, unsigned size, std::uint32_t value) {
  VENEER_CHECK(offset + size <= kConfigSize);
  for (unsigned i = 0; i < size; ++i) {
    config_[offset + i] = static_cast<std::uint8_t>(value >> (i * 8U));
  }
}

void PciDevice::SetWritable(std::uint8_t offset, unsigned size, std::uint32_t mask) {
  VENEER_CHECK(offset + size <= kConfigSize);
  for (unsigned i = 0; i < size; ++i) {
    writable_[offset + i] = static_cast<std::uint8_t>(mask >> (i * 8U));
  }
}

std::uint32_t PciDevice::Config(std::uint8_t offset, unsigned size) const {
  VENEER_CHECK(offset + size <= kConfigSize);
  std::uint32_t value = 0;
  for (unsigned i = 0; i < size; ++i) {
    value |= std::uint32_t{config_[offset + i]} << (i * 8U);
  }
  return value;
}

std::uint32_t PciDevice::ReadConfig(std::uint8_t offset, unsigned size) const {
  std::uint32_t value = Config(offset, size);
  if (offset <= pci::kStatus && pci::kStatus < offset + size && intx_asserted_) {
    value |= std::uint32_t{pci::kStatusInterrupt} << ((pci::kStatus - offset) * 8U);
  }
  return value;
}

void PciDevice::WriteConfig(std::uint8_t offset, unsigned size, std::uint32_t value) {
  for (unsigned i = 0; i < size; ++i) {
    const unsigned mask = writable_[offset + i];
    const unsigned byte = (value >> (i * 8U)) & mask;
    config_[offset + i] = static_cast<std::uint8_t>((config_[offset + i] & ~mask) | byte);
  }
}

void PciDevice::SetIntx(bool asserted) {
  if (PciHost* host = host_.load()) {
    host->SetIntx(*this, asserted);
  }
}

std::optional<std::uint64_t> PciDevice::BarBase(unsigned index) const {
  VENEER_CHECK(index < kBarCount);
  const std::uint64_t base = bars_[index].base.load();
  return base == kNotMapped ? std::nullopt : std::optional(base);
}

void PciDevice::OnBarMoved(unsigned /*index*/, std::optional<std::uint64_t> /*base*/) {}

}  // namespace veneer
