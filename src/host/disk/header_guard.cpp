#include "header_guard.h"

#include "image_format.h"
#include "veneer/vmm/base/log.h"

namespace veneer {

bool HeaderGuard::Allows(std::span<const std::byte> start) {
  const ImageFormat* const format = FindImageFormat(start);
  if (format == nullptr) {
    return true;
  }
  if (!told_.exchange(true)) {
    LogWarning(
        "disk '{}': the guest may not make its first sector look like {}, since the disk's format "
        "was found by looking at that; write format=raw to allow it",
        disk_, format->name);
  }
  return false;
}

}  // namespace veneer
