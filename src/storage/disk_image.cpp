// Which kind of image a disk is.
#include "veneer/storage/disk_image.h"

#include "nbd_image.h"
#include "qcow2_image.h"
#include "raw_image.h"

namespace veneer {

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
