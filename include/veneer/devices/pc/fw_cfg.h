// QEMU's firmware configuration device, as far as a BIOS needs it to speak on the serial port and
// to boot without asking (QEMU, docs/specs/fw_cfg.rst; ports only, no DMA).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/bus/bus.h"

namespace veneer {

class FwCfg final : public BusDevice {
 public:
  static constexpr std::uint64_t kSelectorPort = 0x510;  // and the data port 0x511

  FwCfg();

  Result<void> Attach(Bus& ports);

  std::uint64_t Read(std::uint64_t offset, unsigned size) override;
  void Write(std::uint64_t offset, unsigned size, std::uint64_t value) override;

 private:
  const std::map<std::uint16_t, std::vector<std::uint8_t>> items_;  // all others are empty
  Mutex mutex_;
  std::uint16_t selected_ GUARDED_BY(mutex_) = 0;
  std::size_t position_ GUARDED_BY(mutex_) = 0;  // of the next byte in the selected item
};

}  // namespace veneer
