#include "disk_control.h"

#include <utility>

#include "file_needs.h"
#include "veneer/host/disk/disk_image.h"
#include "veneer/vmm/base/thread.h"

namespace veneer {
DiskControl::DiskControl(Disks& disks, EventLoop& loop, std::vector<DiskConfig>& configs,
                         std::uint64_t removal_limit_ns)
    : disks_(disks), loop_(loop), configs_(configs), removal_limit_ns_(removal_limit_ns) {
  // As they were named when the machine was made, one after the other.
  NamePvDisks(configs_);
  const MutexLock lock(link_->mutex);
  link_->control = this;
}

DiskControl::~DiskControl() {
  const MutexLock lock(link_->mutex);
  link_->control = nullptr;
}

void DiskControl::Add(std::string_view text, AddDone done) {
  // Each has a thread.
  constexpr unsigned kMostAtOnce = 8;
  const Result<DiskConfig> config = ParseDisk(text);
  if (!config) {
    return done(tl::unexpected(config.error()));
  }
  if (IsIdeDisk(*config)) {
    return done(UsageError("an IDE disk cannot be added while the guest runs; only PV disks can"));
  }
  if (opening_ == kMostAtOnce) {
    return done(UsageError("{} disks are just being added; wait for one of them", kMostAtOnce));
  }
  Result<std::thread> opener = StartThread(
      ThreadKind::kHelper, "disk-open", [link = link_, opened = *config, done]() mutable {
        const Result<void> decided = DecideDiskFormat(opened);
        Result<std::unique_ptr<DiskImage>> image =
            decided ? OpenDiskImage(opened)
                    : Result<std::unique_ptr<DiskImage>>(tl::unexpected(decided.error()));
        if (const std::string why = image ? std::string() : OutsideSandbox(opened); !why.empty()) {
          image = UsageError("{}", why);
        }
        // Shared, because a function that is copied cannot own it.
        const auto result = std::make_shared<Result<std::unique_ptr<DiskImage>>>(std::move(image));
        const MutexLock lock(link->mutex);
        if (link->control != nullptr) {
          link->control->loop_.Post([link, opened, result, done] {
            DiskControl* control = nullptr;
            {
              const MutexLock again(link->mutex);
              control = link->control;
            }
            if (control != nullptr) {
              control->Finish(opened, std::move(*result), done);
            }
          });
        }
      });
  if (!opener) {
    return done(tl::unexpected(opener.error()));
  }
  ++opening_;
  opener->detach();  // since nothing can end a look-up of names
}

void DiskControl::Finish(DiskConfig config, Result<std::unique_ptr<DiskImage>> image,
                         const AddDone& done) {
  --opening_;
  if (!image) {
    return done(tl::unexpected(image.error()));
  }
  Result<std::string> vdev = disks_.Add(config, std::move(*image));
  if (vdev) {
    config.vdev = *vdev;
    configs_.push_back(config);
  }
  done(std::move(vdev));
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

void DiskControl::Forget(const std::string& vdev) {
  std::erase_if(configs_, [&](const DiskConfig& config) { return config.vdev == vdev; });
  if (removed_) {
    removed_(vdev);
  }
}

}  // namespace veneer
