#include "veneer/backends/block/disks.h"

#include <utility>

#include "veneer/vmm/base/log.h"

namespace veneer {
namespace {

constexpr unsigned kMaxDisks = 64;

}  // namespace

Disks::~Disks() {
  for (const auto& [name, disk] : disks_) {
    disk.backend->BeginEnd();
  }
}

Result<std::string> Disks::NameFor(const DiskConfig& config) const {
  if (disks_.size() >= kMaxDisks) {
    return UsageError("a guest can have {} disks, and no more", kMaxDisks);
  }
  if (!config.vdev.empty()) {
    if (disks_.contains(config.vdev)) {
      return UsageError("there is a disk {} already", config.vdev);
    }
    return config.vdev;
  }
  for (unsigned index = 0;; ++index) {
    std::string name = VirtualDeviceName(index);
    if (!disks_.contains(name)) {
      return name;
    }
  }
}

Result<std::string> Disks::Add(DiskConfig config) {
  VENEER_TRY_ASSIGN(config.vdev, NameFor(config));
  VENEER_TRY_ASSIGN(std::unique_ptr<DiskImage> image, OpenDiskImage(config));
  return Add(std::move(config), std::move(image));
}

Result<std::string> Disks::Add(DiskConfig config, std::unique_ptr<DiskImage> image) {
  VENEER_TRY_ASSIGN(config.vdev, NameFor(config));
  Disk disk;
  disk.image = image.get();
  VENEER_TRY_ASSIGN(disk.backend, BlockBackend::Create(parts_, config, std::move(image)));
  const DiskImage::Facts facts = disk.image->facts();
  LogInfo("disk {}: {} ({} MiB{})", config.vdev, config.path, facts.bytes >> 20U,
          facts.readonly ? ", read-only" : "");
  disks_.emplace(config.vdev, std::move(disk));
  return config.vdev;
}

Result<Disks::Disk*> Disks::Find(std::string_view vdev) {
  const auto it = disks_.find(vdev);
  if (it == disks_.end()) {
    return UsageError("there is no disk '{}'", vdev);
  }
  return &it->second;
}

Result<void> Disks::Remove(std::string_view vdev, std::function<void()> removed) {
  VENEER_TRY_ASSIGN(Disk * disk, Find(vdev));
  if (disk->removing) {
    return UsageError("disk {} is being removed already; the guest has not let go of it", vdev);
  }
  disk->removing = true;
  disk->backend->Remove([this, name = std::string(vdev), removed = std::move(removed)] {
    LogInfo("disk {}: removed", name);
    const std::function<void()> tell = removed;  // what follows destroys this function
    disks_.erase(name);
    tell();
  });
  return {};
}

void Disks::Retry() {
  for (const auto& [name, disk] : disks_) {
    disk.backend->Retry();
  }
}

Result<void> Disks::Resize(std::string_view vdev) {
  VENEER_TRY_ASSIGN(const Disk* disk, Find(vdev));
  return disk->backend->Resize();
}

void Disks::Report(Inquiry& inquiry) {
  for (const auto& [name, disk] : disks_) {
    disk.backend->Report(inquiry);
  }
}

void Disks::StartOver(const std::function<void()>& done) {
  if (disks_.empty()) {
    done();
    return;
  }
  const auto left = std::make_shared<std::size_t>(disks_.size());
  for (const auto& [name, entry] : disks_) {
    entry.backend->StartOver([left, done] {
      if (--*left == 0) {
        done();
      }
    });
  }
}

std::map<std::string, Disks::Entry> Disks::List() const {
  std::map<std::string, Entry> list;
  for (const auto& [name, disk] : disks_) {
    list.emplace(name, Entry{disk.backend->config(), disk.image->facts().bytes,
                             disk.backend->state(), disk.removing});
  }
  return list;
}

}  // namespace veneer
