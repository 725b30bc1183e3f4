// An address space of register windows: the port bus and the memory bus of the machine.
#pragma once

#include <cstdint>
#include <map>

#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/bus/device.h"

namespace veneer {

// Thread-safe. Windows may come and go while vCPUs run (the guest moves PCI BARs).
class Bus {
 public:
  // `name` is used in messages; `unclaimed` counts accesses that found no device.
  Bus(const char* name, Counter& unclaimed) : name_(name), unclaimed_(unclaimed) {}
  Bus(const Bus&) = delete;
  Bus& operator=(const Bus&) = delete;

  // Puts `device` at [base, base + size). UsageError, without effect, when it would overlap another
  // window: guests can provoke that through PCI BARs. The device must live until the vCPUs have
  // stopped, because an access under way may still reach it after Detach(). Devices may call both
  // from their own Read() and Write().
  Result<void> Attach(std::uint64_t base, std::uint64_t size, BusDevice& device);
  // False if no window starts at `base`.
  bool Detach(std::uint64_t base);

  // `size` 1 to 8 bytes. An access that no window holds whole reads as all-ones and writes nowhere.
  std::uint64_t Read(std::uint64_t address, unsigned size);
  void Write(std::uint64_t address, unsigned size, std::uint64_t value);

 private:
  struct Window {
    std::uint64_t size;
    BusDevice* device;
  };
  // The device whose window holds all of the access, with `*offset` into it, or nullptr.
  BusDevice* Find(std::uint64_t address, unsigned size, std::uint64_t* offset) const;

  const char* name_;
  Counter& unclaimed_;
  // Guards the map only, never held while a device runs.
  mutable SharedMutex mutex_;
  std::map<std::uint64_t, Window> windows_ GUARDED_BY(mutex_);
};

}  // namespace veneer
