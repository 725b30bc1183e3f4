// Which kind of image a disk is.
#include "veneer/host/disk/disk_image.h"

#include <utility>

#include "nbd_image.h"
#include "qcow2_image.h"
#include "raw_image.h"

namespace veneer {
namespace {

class SharedDiskImage final : public DiskImage {
 public:
  explicit SharedDiskImage(std::shared_ptr<DiskImage> image) : image_(std::move(image)) {}
  Facts facts() const override { return image_->facts(); }
  Result<void> Refresh() override { return image_->Refresh(); }
  Result<std::unique_ptr<DiskChannel>> OpenChannel() override { return image_->OpenChannel(); }

 private:
  const std::shared_ptr<DiskImage> image_;
};

}  // namespace

std::unique_ptr<DiskImage> ShareDiskImage(std::shared_ptr<DiskImage> image) {
  return std::make_unique<SharedDiskImage>(std::move(image));
}

Result<std::unique_ptr<DiskImage>> OpenDiskImage(const DiskConfig& config) {
  if (IsNbdUri(config.path)) {
    if (config.format == DiskFormat::kQcow2) {
      return UsageError(
          "disk '{}' is served by an NBD server, which knows its format; leave out format=qcow2",
          config.path);
    }
    return NbdImage::Open(config, config.path);
  }
  const bool qcow2 = config.format == DiskFormat::kQcow2 ||
                     (config.format == DiskFormat::kAuto && ReadQcow2Header(config.path));
  return qcow2 ? Qcow2Image::Open(config) : RawImage::Open(config);
}

}  // namespace veneer
