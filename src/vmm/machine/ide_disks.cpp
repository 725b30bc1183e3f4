#include "ide_disks.h"

#include <algorithm>
#include <utility>

#include "veneer/host/disk/disk_image.h"
#include "veneer/vmm/base/log.h"
#include "veneer/xencompat/platform/platform_ports.h"

namespace veneer {
namespace {

constexpr unsigned kSlot = 1;  // where a PC has its ISA bridge, and the disks are a function of it

}  // namespace

IdeDisks::IdeDisks(const Parts& parts) {
  for (unsigned i = 0; i < lines_.size(); ++i) {
    lines_[i] = parts.make_line(IdeController::kGsis[i]);
  }
}

Result<std::unique_ptr<IdeDisks>> IdeDisks::Create(const Parts& parts) {
  const auto count = std::ranges::count_if(parts.config.disks, ShownAsIde);
  if (count == 0) {
    return std::unique_ptr<IdeDisks>();
  }
  if (count > IdeController::kDrives) {
    return UsageError("{} IDE disks are too many: a PC has room for {}; give some bus=pv", count,
                      IdeController::kDrives);
  }
  std::unique_ptr<IdeDisks> disks(new IdeDisks(parts));
  std::vector<IdeDriveConfig> drives;
  VENEER_TRY(disks->OpenDrives(parts, drives));
  VENEER_TRY_ASSIGN(
      disks->controller_,
      IdeController::Create(
          {parts.memory, parts.metrics, {disks->lines_[0].get(), disks->lines_[1].get()}},
          std::move(drives)));
  VENEER_TRY(disks->controller_->Attach(parts.ports));
  VENEER_TRY(parts.pci.AddDevice(kSlot, 0, disks->isa_bridge_));
  VENEER_TRY(parts.pci.AddDevice(kSlot, 1, *disks->controller_));
  return disks;
}

Result<void> IdeDisks::OpenDrives(const Parts& parts, std::vector<IdeDriveConfig>& drives) {
  const MachineConfig& config = parts.config;
  shared_.resize(config.disks.size());
  for (std::size_t i = 0; i < config.disks.size(); ++i) {
    const DiskConfig& disk = config.disks[i];
    if (!ShownAsIde(disk)) {
      continue;
    }
    IdeDriveConfig drive;
    drive.cdrom = disk.cdrom;
    drive.flush = disk.cache != DiskCache::kUnsafe;
    drive.twin = ShownAsPv(config, disk);
    drive.serial = disk.serial;
    drive.bytes_per_second = disk.bytes_per_second;
    drive.requests_per_second = disk.requests_per_second;
    drive.on_error = disk.on_error;
    drive.name = fmt::format("ide{} ('{}')", drives.size(), disk.path);
    drive.on_failure = parts.on_failure;
    VENEER_TRY_ASSIGN(drive.image, OpenDiskImage(disk));
    if (drive.twin) {
      shared_[i] = std::move(drive.image);
      drive.image = ShareDiskImage(shared_[i]);
    }
    const DiskImage::Facts facts = drive.image->facts();
    LogInfo("IDE {} {}: {} ({} MiB{})", disk.cdrom ? "CD-ROM" : "disk", drives.size(), disk.path,
            facts.bytes >> 20U, facts.readonly ? ", read-only" : "");
    drives_.push_back({disk.path, facts, drive.twin});
    drives.push_back(std::move(drive));
  }
  return {};
}

std::unique_ptr<DiskImage> IdeDisks::TakeSharedImage(std::size_t index) {
  return shared_[index] != nullptr ? ShareDiskImage(std::exchange(shared_[index], nullptr))
                                   : nullptr;
}

void IdeDisks::Unplug(std::uint16_t mask) {
  unplugged_ |= mask;
  if ((mask & kUnplugAllDisks) != 0) {
    controller_->UnplugTwins(false);
  } else if ((mask & kUnplugAuxDisks) != 0) {
    controller_->UnplugTwins(true);
  }
}

std::vector<EmulatedDevices::Disk> IdeDisks::List() const {
  const unsigned mask = unplugged_;
  std::vector<EmulatedDevices::Disk> list;
  for (std::size_t i = 0; i < drives_.size(); ++i) {
    const Drive& drive = drives_[i];
    const bool hit = (mask & kUnplugAllDisks) != 0 || ((mask & kUnplugAuxDisks) != 0 && i > 0);
    if (!drive.twin || !hit) {
      list.push_back(
          {fmt::format("ide{}", i), drive.path, drive.facts.bytes, drive.facts.readonly});
    }
  }
  return list;
}

}  // namespace veneer
