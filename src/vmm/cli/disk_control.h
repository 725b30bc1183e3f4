// Disks that come, grow and go while the guest runs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "removal.h"
#include "veneer/backends/block/disks.h"
#include "veneer/vmm/base/event_loop.h"
#include "veneer/vmm/control/guest_control.h"

namespace veneer {

// On the loop's thread, which is also that of `disks`.
class DiskControl {
 public:
  // All outlive this object. `configs` is kept up to date: the guest finds the same disks under
  // the same names after a reboot.
  DiskControl(Disks& disks, EventLoop& loop, std::vector<DiskConfig>& configs,
              std::uint64_t removal_limit_ns = kRemovalLimitNs);

  // `text` as after --disk. Returns the disk's name.
  Result<std::string> Add(std::string_view text);
  // `done` is called once the disk is gone, or with an error when the limit has passed; the guest
  // may still let go later.
  void Remove(std::string_view vdev, GuestControl::Done done);
  Result<void> Resize(std::string_view vdev);
  std::vector<GuestInfo::Disk> List() const;

 private:
  void Forget(std::string_view vdev);

  Disks& disks_;
  EventLoop& loop_;
  std::vector<DiskConfig>& configs_;
  const std::uint64_t removal_limit_ns_;
};

}  // namespace veneer
