// The NIC as a PCI function, and its windows.
#include "veneer/devices/e1000/e1000.h"

#include <atomic>
#include <utility>

#include "e1000_device.h"
#include "veneer/vmm/bus/device.h"

namespace veneer {
namespace {

constexpr PciDevice::Identity kIdentity{0x8086, 0x100e, 0x03, 0x020000, 0x8086, 0x001e};

// The registers, as dwords whatever the access.
class MemoryWindow final : public BusDevice {
 public:
  explicit MemoryWindow(E1000Device& device) : device_(device) {}
  std::uint64_t Read(std::uint64_t offset, unsigned size) override {
    const auto at = static_cast<std::uint32_t>(offset & ~std::uint64_t{3});
    if (size == 8) {
      return device_.Read(at) | std::uint64_t{device_.Read(at + 4)} << 32U;
    }
    return device_.Read(at) >> (offset & 3U) * 8U;
  }
  void Write(std::uint64_t offset, unsigned size, std::uint64_t value) override {
    if (size < 4 || offset % 4 != 0) {
      return;
    }
    device_.Write(static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(value));
    if (size == 8) {
      device_.Write(static_cast<std::uint32_t>(offset + 4),
                    static_cast<std::uint32_t>(value >> 32U));
    }
  }

 private:
  E1000Device& device_;
};

// Two ports through which the registers can be reached too: their offset, and the data.
class PortsWindow final : public BusDevice {
 public:
  static constexpr std::uint64_t kSize = 64;

  explicit PortsWindow(E1000Device& device) : device_(device) {}
  std::uint64_t Read(std::uint64_t offset, unsigned size) override {
    if (size == 4 && offset == kAddress) {
      return address_;
    }
    return size == 4 && offset == kData ? device_.Read(address_) : 0;
  }
  void Write(std::uint64_t offset, unsigned size, std::uint64_t value) override {
    if (size == 4 && offset == kAddress) {
      address_ = static_cast<std::uint32_t>(value) & (e1000::kWindowSize - 4);
    } else if (size == 4 && offset == kData) {
      device_.Write(address_, static_cast<std::uint32_t>(value));
    }
  }

 private:
  static constexpr std::uint64_t kAddress = 0;
  static constexpr std::uint64_t kData = 4;
  E1000Device& device_;
  std::atomic<std::uint32_t> address_{0};
};

}  // namespace

class E1000::Impl {
 public:
  Impl(GuestMemory& memory, Metrics& metrics, const E1000Config& config,
       std::shared_ptr<NetLink> link)
      : device_(memory, metrics, config, std::move(link)) {}

  E1000Device& device() { return device_; }
  BusDevice& registers() { return registers_; }
  BusDevice& ports() { return ports_; }

 private:
  E1000Device device_;
  MemoryWindow registers_{device_};
  PortsWindow ports_{device_};
};

E1000::E1000(std::unique_ptr<Impl> impl) : PciDevice(kIdentity), impl_(std::move(impl)) {
  AddBar(kMemoryBar, BarKind::kMemory, e1000::kWindowSize, &impl_->registers());
  AddBar(kPortsBar, BarKind::kIo, PortsWindow::kSize, &impl_->ports());
  AddInterruptPin();
}

E1000::~E1000() = default;

Result<std::unique_ptr<E1000>> E1000::Create(GuestMemory& memory, Metrics& metrics,
                                             const E1000Config& config,
                                             std::shared_ptr<NetLink> link) {
  std::unique_ptr<E1000> nic(
      new E1000(std::make_unique<Impl>(memory, metrics, config, std::move(link))));
  VENEER_TRY(nic->impl_->device().Start(*nic));
  return nic;
}

void E1000::Unplug() { impl_->device().Unplug(); }

}  // namespace veneer
