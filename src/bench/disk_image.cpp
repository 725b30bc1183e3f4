#include "disk_image.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "veneer/vmm/base/unique_fd.h"

namespace veneer::bench {

Result<DiskImage> DiskImage::Make(std::string path, std::uint64_t bytes, Interrupt& interrupt) {
  DiskImage image(std::move(path));
  const UniqueFd file(
      open(image.path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR));
  std::vector<std::uint32_t> data((1U << 20U) / sizeof(std::uint32_t));
  for (std::size_t i = 0; i < data.size(); ++i) {
    data[i] = static_cast<std::uint32_t>(i) * 2654435761U;
  }
  const std::size_t part = data.size() * sizeof(std::uint32_t);
  for (std::uint64_t at = 0; at < bytes; at += part) {
    VENEER_TRY(interrupt.Check());
    if (!file.valid() || pwrite(file.get(), data.data(), part, static_cast<off_t>(at)) !=
                             static_cast<ssize_t>(part)) {
      return ErrnoError(errno, fmt::format("cannot write the disk image '{}'", image.path_));
    }
  }
  if (fsync(file.get()) != 0) {
    return ErrnoError(errno, fmt::format("cannot write the disk image '{}'", image.path_));
  }
  return image;
}

DiskImage::~DiskImage() {
  if (!path_.empty()) {
    unlink(path_.c_str());
  }
}

}  // namespace veneer::bench
