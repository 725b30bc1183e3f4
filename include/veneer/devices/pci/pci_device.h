// What every PCI function has: configuration space, base address registers and an interrupt pin,
// after the PCI Local Bus Specification 3.0.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>

#include "veneer/vmm/bus/bus.h"

namespace veneer {

class PciHost;

// The devices of a machine derive from this and are owned by the machine; a PciHost lets the guest
// reach them. What is protected is for the constructor of a derived class, before AddDevice().
class PciDevice {
 public:
  struct Identity {
    std::uint16_t vendor = 0;
    std::uint16_t device = 0;
    std::uint8_t revision = 0;
    std::uint32_t class_code = 0;  // base class << 16 | subclass << 8 | programming interface
    std::uint16_t subsystem_vendor = 0;
    std::uint16_t subsystem = 0;
  };
  enum class BarKind { kIo, kMemory, kPrefetchableMemory };
  static constexpr unsigned kBarCount = 6;
  static constexpr std::size_t kConfigSize = 256;

  explicit PciDevice(const Identity& identity);
  PciDevice(const PciDevice&) = delete;
  PciDevice& operator=(const PciDevice&) = delete;
  virtual ~PciDevice() = default;

  // Any thread: the level of the INTA pin. No effect before AddDevice() or without a pin.
  void SetIntx(bool asserted);

  // Where BAR `index` decodes now, if it does. Any thread.
  std::optional<std::uint64_t> BarBase(unsigned index) const;

 protected:
  // `size` is a power of two, at least 4 (I/O, at most 256) or 16 (memory, at most 2 GiB). `window`
  // is put on the port or memory bus whenever the guest has the BAR decode somewhere sensible; it
  // may be nullptr for a BAR that is served in another way, see OnBarMoved().
  void AddBar(unsigned index, BarKind kind, std::uint64_t size, BusDevice* window);
  // The function has an INTA pin.
  void AddInterruptPin();
  // Appends to the capability list and returns the offset of the capability in configuration space.
  // `body` is what follows the id and the link. Read-only unless SetWritable() says otherwise.
  std::uint8_t AddCapability(std::uint8_t id, std::span<const std::uint8_t> body);
  // More functions of the same slot follow.
  void SetMultiFunction();
  void SetConfig(std::uint8_t offset, unsigned size, std::uint32_t value);
  void SetWritable(std::uint8_t offset, unsigned size, std::uint32_t mask);
  std::uint32_t Config(std::uint8_t offset, unsigned size) const;

  // The guest moved BAR `index`, or switched it off. On a vCPU thread (or the one that lays out the
  // machine), with the configuration lock held: must not call back into PciHost.
  virtual void OnBarMoved(unsigned index, std::optional<std::uint64_t> base);

 private:
  friend class PciHost;
  static constexpr std::uint64_t kNotMapped = ~std::uint64_t{0};
  struct Bar {
    BarKind kind = BarKind::kMemory;
    std::uint64_t size = 0;  // 0: not there
    BusDevice* window = nullptr;
    // Address it decodes at, or kNotMapped. Written with the configuration lock held.
    std::atomic<std::uint64_t> base{kNotMapped};
  };

  // Called by PciHost with its configuration lock held. `size` 1, 2 or 4, not crossing a dword.
  std::uint32_t ReadConfig(std::uint8_t offset, unsigned size) const;
  void WriteConfig(std::uint8_t offset, unsigned size, std::uint32_t value);

  std::array<std::uint8_t, kConfigSize> config_{};
  std::array<std::uint8_t, kConfigSize> writable_{};
  std::array<Bar, kBarCount> bars_;
  std::uint16_t capability_end_ = 0x40;
  bool has_interrupt_pin_ = false;

  std::atomic<PciHost*> host_{nullptr};
  std::uint8_t devfn_ = 0;
  // Written with the host's interrupt lock held.
  std::atomic<bool> intx_asserted_{false};
  bool intx_disabled_ = false;
  bool intx_counted_ = false;  // holds its line
};

}  // namespace veneer
