#include "veneer/devices/pc/fw_cfg.h"

namespace veneer {
namespace {

constexpr std::uint16_t kSignature = 0x00;
constexpr std::uint16_t kInterfaceVersion = 0x01;
constexpr std::uint16_t kNoGraphics = 0x04;  // not 0: there is no screen but the serial port

}  // namespace

// Nobody is asked which disk to boot, as that item (0x0e) is 0. The directory of files (0x19) has
// none.
FwCfg::FwCfg()
    : items_({{kSignature, {'Q', 'E', 'M', 'U'}},
              {kInterfaceVersion, {1, 0, 0, 0}},
              {kNoGraphics, {1, 0}}}) {}

Result<void> FwCfg::Attach(Bus& ports) { return ports.Attach(kSelectorPort, 2, *this); }

std::uint64_t FwCfg::Read(std::uint64_t offset, unsigned size) {
  if (offset != 1 || size != 1) {
    return AllOnes(size);
  }
  const MutexLock lock(mutex_);
  const auto item = items_.find(selected_);
  if (item == items_.end() || position_ >= item->second.size()) {
    return 0;
  }
  return item->second[position_++];
}

void FwCfg::Write(std::uint64_t offset, unsigned size, std::uint64_t value) {
  if (offset != 0 || size != 2) {
    return;
  }
  const MutexLock lock(mutex_);
  selected_ = static_cast<std::uint16_t>(value);
  position_ = 0;
}

}  // namespace veneer
