#include "disk_control.h"

#include <memory>
#include <utility>

#include "veneer/base/clock.h"

namespace veneer {
namespace {

// Answers once: with what comes first.
struct Removal {
  void Answer(EventLoop& loop, Result<void> result) {
    loop.CancelTimer(timer);
    if (const GuestControl::Done once = std::exchange(done, nullptr); once != nullptr) {
      once(std::move(result));
    }
  }
  GuestControl::Done done;
  EventLoop::TimerId timer = 0;
};

}  // namespace

DiskControl::DiskControl(Disks& disks, EventLoop& loop, std::vector<DiskConfig>& configs,
                         std::uint64_t removal_limit_ns)
    : disks_(disks), loop_(loop), configs_(configs), removal_limit_ns_(removal_limit_ns) {
  // With the names that the disks have got.
  configs_.clear();
  for (const auto& [vdev, disk] : disks_.List()) {
    configs_.push_back(disk.config);
  }
}

Result<std::string> DiskControl::Add(std::string_view text) {
  VENEER_TRY_ASSIGN(DiskConfig config, ParseDisk(text));
  VENEER_TRY_ASSIGN(config.vdev, disks_.Add(config));
  configs_.push_back(config);
  return config.vdev;
}

void DiskControl::Remove(std::string_view vdev, GuestControl::Done done) {
  const auto removal = std::make_shared<Removal>();
  removal->done = std::move(done);
  removal->timer = loop_.AddTimer(
      HostClock().MonotonicNs() + removal_limit_ns_, [this, removal, name = std::string(vdev)] {
        removal->Answer(loop_, HostError("the guest still uses disk {}; it goes when the guest "
                                         "lets go of it (is it mounted?)",
                                         name));
      });
  const Result<void> asked = disks_.Remove(vdev, [this, removal, name = std::string(vdev)] {
    Forget(name);
    removal->Answer(loop_, {});
  });
  if (!asked) {
    removal->Answer(loop_, asked);
  }
}

Result<void> DiskControl::Resize(std::string_view vdev) { return disks_.Resize(vdev); }

std::vector<GuestInfo::Disk> DiskControl::List() const {
  std::vector<GuestInfo::Disk> list;
  for (const auto& [vdev, disk] : disks_.List()) {
    list.push_back({.name = vdev,
                    .path = disk.config.path,
                    .bytes = disk.bytes,
                    .readonly = disk.config.readonly,
                    .connected = disk.state == XenbusState::kConnected,
                    .removing = disk.removing});
  }
  return list;
}

void DiskControl::Forget(std::string_view vdev) {
  std::erase_if(configs_, [&](const DiskConfig& config) { return config.vdev == vdev; });
}

}  // namespace veneer
