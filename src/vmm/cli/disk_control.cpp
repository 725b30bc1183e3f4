#include "disk_control.h"

#include <utility>

#include "veneer/host/disk/disk_image.h"

namespace veneer {
DiskControl::DiskControl(Disks& disks, EventLoop& loop, std::vector<DiskConfig>& configs,
                         std::uint64_t removal_limit_ns)
    : disks_(disks), loop_(loop), configs_(configs), removal_limit_ns_(removal_limit_ns) {
  // As they were named when the machine was made, one after the other.
  NamePvDisks(configs_);
}

Result<std::string> DiskControl::Add(std::string_view text) {
  VENEER_TRY_ASSIGN(DiskConfig config, ParseDisk(text));
  if (IsIdeDisk(config)) {
    return UsageError("an IDE disk cannot be added while the guest runs; only PV disks can");
  }
  VENEER_TRY(DecideDiskFormat(config));
  VENEER_TRY_ASSIGN(config.vdev, disks_.Add(config));
  configs_.push_back(config);
  return config.vdev;
}

void DiskControl::Remove(std::string_view vdev, GuestControl::Done done) {
  AwaitRemoval(
      loop_, removal_limit_ns_,
      HostError("the guest still uses disk {}; it goes when the guest lets go of it (is it "
                "mounted?)",
                vdev)
          .value(),
      [this, vdev](std::function<void()> removed) {
        return disks_.Remove(vdev, [this, name = std::string(vdev), told = std::move(removed)] {
          Forget(name);
          told();
        });
      },
      std::move(done));
}

Result<void> DiskControl::Resize(std::string_view vdev) { return disks_.Resize(vdev); }

std::vector<GuestInfo::Disk> DiskControl::List() const {
  std::vector<GuestInfo::Disk> list;
  for (const auto& [vdev, disk] : disks_.List()) {
    list.push_back({.name = vdev,
                    .bus = "pv",
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
