// The I/O ports of Xen's platform device: the handshake by which PV drivers ask for the emulated
// disks and NICs to be unplugged, and a log port (Xen's docs/misc/hvm-emulated-unplug).
//
// Without the right magic number here Linux leaves every PV device alone.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "veneer/vmm/base/log.h"
#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/bus/device.h"

namespace veneer {

// What a guest may ask to unplug.
inline constexpr std::uint16_t kUnplugAllDisks = 1;
inline constexpr std::uint16_t kUnplugAllNics = 2;
inline constexpr std::uint16_t kUnplugAuxDisks = 4;  // IDE disks but the primary master
inline constexpr std::uint16_t kUnplugNvme = 8;

// Thread-safe.
class PlatformPorts {
 public:
  static constexpr std::uint16_t kBase = 0x10;
  static constexpr std::uint16_t kSize = 0x10;

  // PV drivers that are not to be used: product number (0xffff is Linux) and build, or every build.
  struct BlockedDriver {
    std::uint16_t product = 0;
    std::optional<std::uint32_t> build;
    friend auto operator<=>(const BlockedDriver&, const BlockedDriver&) = default;
  };
  // Called on the vCPU's thread, without locks, with a mask of kUnplug* bits.
  using UnplugHandler = std::function<void(std::uint16_t mask)>;

  PlatformPorts(UnplugHandler unplug, std::set<BlockedDriver> blocked, Metrics& metrics);

  // The fixed ports 0x10 to 0x1f, for the port bus.
  BusDevice& fixed_ports() { return fixed_; }
  // The device's first BAR, 256 bytes of I/O: its first 16 are the fixed ports again, the rest is
  // empty.
  BusDevice& bar0() { return bar0_; }

  // Forgets the driver that has introduced itself (the machine was reset).
  void Reset();

 private:
  class Window : public BusDevice {
   public:
    explicit Window(PlatformPorts& ports) : ports_(ports) {}
    std::uint64_t Read(std::uint64_t offset, unsigned size) override {
      return ports_.Read(offset, size);
    }
    void Write(std::uint64_t offset, unsigned size, std::uint64_t value) override {
      ports_.Write(offset, size, value);
    }

   private:
    PlatformPorts& ports_;
  };

  std::uint64_t Read(std::uint64_t offset, unsigned size);
  void Write(std::uint64_t offset, unsigned size, std::uint64_t value);
  void Unplug(std::uint16_t mask);
  void LogByte(std::uint8_t byte);
  bool Blocked() const REQUIRES(mutex_);

  UnplugHandler unplug_;
  const std::set<BlockedDriver> blocked_;
  Counter& log_lines_;
  Counter& unplugs_;
  Counter& refusals_;
  LogLimiter log_limiter_;
  Window fixed_{*this};
  Window bar0_{*this};

  mutable Mutex mutex_;
  std::uint16_t product_ GUARDED_BY(mutex_) = 0;
  std::uint32_t build_ GUARDED_BY(mutex_) = 0;
  bool introduced_ GUARDED_BY(mutex_) = false;
  std::string line_ GUARDED_BY(mutex_);
};

}  // namespace veneer
