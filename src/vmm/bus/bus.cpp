#include "veneer/vmm/bus/bus.h"

#include <iterator>

#include "veneer/vmm/base/log.h"

namespace veneer {

Result<void> Bus::Attach(std::uint64_t base, std::uint64_t size, BusDevice& device) {
  if (size == 0 || base + (size - 1) < base) {
    return UsageError("{} bus: a window of {:#x} bytes at {:#x} does not fit", name_, size, base);
  }
  const MutexLock lock(mutex_);
  const auto next = windows_.lower_bound(base);
  const bool hits_next = next != windows_.end() && next->first - base < size;
  const bool hits_previous =
      next != windows_.begin() && base - std::prev(next)->first < std::prev(next)->second.size;
  if (hits_next || hits_previous) {
    return UsageError("{} bus: {:#x} bytes at {:#x} overlap another device", name_, size, base);
  }
  windows_.emplace(base, Window{size, &device});
  return {};
}

bool Bus::Detach(std::uint64_t base) {
  const MutexLock lock(mutex_);
  return windows_.erase(base) > 0;
}

BusDevice* Bus::Find(std::uint64_t address, unsigned size, std::uint64_t* offset) const {
  const ReaderLock lock(mutex_);
  auto it = windows_.upper_bound(address);
  if (it == windows_.begin()) {
    return nullptr;
  }
  --it;
  *offset = address - it->first;
  const bool holds = *offset < it->second.size && size <= it->second.size - *offset;
  return holds ? it->second.device : nullptr;
}

std::uint64_t Bus::Read(std::uint64_t address, unsigned size) {
  std::uint64_t offset = 0;
  if (BusDevice* device = Find(address, size, &offset)) {
    return device->Read(offset, size) & AllOnes(size);
  }
  unclaimed_.Add();
  Log(LogLevel::kTrace, "{} bus: read of {} bytes at {:#x} finds no device", name_, size, address);
  return AllOnes(size);
}

void Bus::Write(std::uint64_t address, unsigned size, std::uint64_t value) {
  std::uint64_t offset = 0;
  if (BusDevice* device = Find(address, size, &offset)) {
    device->Write(offset, size, value & AllOnes(size));
    return;
  }
  unclaimed_.Add();
  Log(LogLevel::kTrace, "{} bus: write of {} bytes at {:#x} finds no device", name_, size, address);
}

}  // namespace veneer
