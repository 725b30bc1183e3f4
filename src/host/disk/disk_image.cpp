// Which kind of image a disk is.
#include "veneer/host/disk/disk_image.h"

#include <array>
#include <string_view>
#include <system_error>
#include <utility>

#include "image_format.h"
#include "nbd_image.h"
#include "qemu_image.h"
#include "raw_image.h"
#include "veneer/host/disk/disk_failure.h"

namespace veneer {

std::string DescribeDiskFailure(const std::string& disk, DiskAction action, int error) {
  constexpr std::array<std::string_view, 4> kNames{"reading", "writing", "flushing", "discarding"};
  return fmt::format("disk {}: {} failed: {}", disk, kNames.at(static_cast<std::size_t>(action)),
                     std::generic_category().message(error));
}

namespace {

class SharedDiskImage final : public DiskImage {
 public:
  explicit SharedDiskImage(std::shared_ptr<DiskImage> image) : image_(std::move(image)) {}
  Facts facts() const override { return image_->facts(); }
  Result<void> Refresh() override { return image_->Refresh(); }
  void Interrupt() override { image_->Interrupt(); }
  Result<std::unique_ptr<DiskChannel>> OpenChannel() override { return image_->OpenChannel(); }

 private:
  const std::shared_ptr<DiskImage> image_;
};

}  // namespace

std::unique_ptr<DiskImage> ShareDiskImage(std::shared_ptr<DiskImage> image) {
  return std::make_unique<SharedDiskImage>(std::move(image));
}

Result<void> DecideDiskFormat(DiskConfig& config) {
  if (config.format == DiskFormat::kAuto && !IsNbdUri(config.path)) {
    VENEER_TRY_ASSIGN(config.format, DetectDiskFormat(config.path));
    config.probed = true;
  }
  return {};
}

Result<std::unique_ptr<DiskImage>> OpenDiskImage(const DiskConfig& config) {
  if (IsNbdUri(config.path)) {
    if (config.overlay) {
      return UsageError("disk '{}': overlay=on is for image files, not for what an NBD server has",
                        config.path);
    }
    if (const ImageFormat* const format = FindImageFormat(config.format)) {
      return UsageError(
          "disk '{}' is served by an NBD server, which knows its format; leave out format={}",
          config.path, format->key);
    }
    return NbdImage::Open(config, config.path);
  }
  DiskConfig decided = config;
  VENEER_TRY(DecideDiskFormat(decided));
  return decided.format == DiskFormat::kRaw && !decided.overlay ? RawImage::Open(decided)
                                                                : QemuImage::Open(decided);
}

}  // namespace veneer
