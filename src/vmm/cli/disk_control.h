// Disks that come, grow and go while the guest runs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "removal.h"
#include "veneer/backends/block/disks.h"
#include "veneer/vmm/base/event_loop.h"
#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/control/guest_control.h"

namespace veneer {

// On the loop's thread, which is also that of `disks`.
class DiskControl {
 public:
  // All outlive this object. `configs` is kept up to date: the guest finds the same disks under
  // the same names after a reboot.
  DiskControl(Disks& disks, EventLoop& loop, std::vector<DiskConfig>& configs,
              std::uint64_t removal_limit_ns = kRemovalLimitNs);

  using AddDone = GuestControl::AddDone;
  DiskControl(const DiskControl&) = delete;
  DiskControl& operator=(const DiskControl&) = delete;
  // An image that is just being opened is closed again.
  ~DiskControl();

  // `text` as after --disk. `done` is called with the disk's name once its image is open, which a
  // thread of its own waits for: a server may not answer, or have a name that nobody knows.
  void Add(std::string_view text, AddDone done);
  // `done` is called once the disk is gone, or with an error when the limit has passed; the guest
  // may still let go later.
  void Remove(std::string_view vdev, GuestControl::Done done);
  Result<void> Resize(std::string_view vdev);
  std::vector<GuestInfo::Disk> List() const;
  // A disk has gone, whether or not somebody still waits for that.
  void SetRemovedCallback(std::function<void(const std::string& vdev)> removed) {
    removed_ = std::move(removed);
  }

 private:
  // What an opening thread, which may outlast this object, finds of it.
  struct Link {
    Mutex mutex;
    DiskControl* control GUARDED_BY(mutex) = nullptr;
  };

  void Finish(DiskConfig config, Result<std::unique_ptr<DiskImage>> image, const AddDone& done);
  void Forget(const std::string& vdev);

  Disks& disks_;
  EventLoop& loop_;
  std::vector<DiskConfig>& configs_;
  const std::uint64_t removal_limit_ns_;
  unsigned opening_ = 0;
  std::function<void(const std::string&)> removed_;
  std::shared_ptr<Link> link_ = std::make_shared<Link>();
};

}  // namespace veneer
