#include "raw_image.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "uring_channel.h"
#include "veneer/vmm/base/log.h"

namespace veneer {
namespace {

constexpr std::uint64_t kSector = 512;  // bytes
constexpr std::uint32_t kMemoryAlignment = 512;

Result<std::uint64_t> SizeOf(int fd, const std::string& path) {
  struct stat info {};
  std::uint64_t bytes = 0;
  if (fstat(fd, &info) != 0) {
    return ErrnoError(errno, fmt::format("cannot get the size of disk '{}'", path));
  }
  if (S_ISBLK(info.st_mode)) {
    if (ioctl(fd, BLKGETSIZE64, &bytes) != 0) {
      return ErrnoError(errno, fmt::format("cannot get the size of disk '{}'", path));
    }
  } else if (S_ISREG(info.st_mode)) {
    bytes = static_cast<std::uint64_t>(info.st_size);
  } else {
    return UsageError("disk '{}' is neither a file nor a block device", path);
  }
  if (bytes < kSector) {
    return UsageError("disk '{}' is empty; give it a size first, for example with truncate -s 10G",
                      path);
  }
  if (bytes % kSector != 0) {
    LogWarning("disk '{}': the guest does not see its last {} bytes, which are no whole sector",
               path, bytes % kSector);
  }
  return bytes / kSector * kSector;
}

}  // namespace

Result<std::unique_ptr<DiskImage>> RawImage::Open(const DiskConfig& config) {
  std::unique_ptr<RawImage> image(new RawImage(config.path));
  VENEER_TRY(image->OpenFiles(config));
  VENEER_TRY(image->Lock(config.readonly));
  VENEER_TRY(image->LearnLimits(config.discard && !config.readonly));
  VENEER_TRY(image->Refresh());
  image->fixed_.readonly = config.readonly;
  return image;
}

RawImage::~RawImage() {
  // Closing would do, if the kernel did not keep the files of an io_uring a while longer.
  struct flock lock {};
  lock.l_type = F_UNLCK;
  lock.l_whence = SEEK_SET;
  static_cast<void>(fcntl(file_.get(), F_OFD_SETLK, &lock));
}

Result<void> RawImage::OpenFiles(const DiskConfig& config) {
  const int mode = (config.readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC;
  struct stat info {};
  // A block device in use by the host (mounted) must not be written behind its back.
  const bool device = stat(path_.c_str(), &info) == 0 && S_ISBLK(info.st_mode);
  file_.Reset(open(path_.c_str(), mode | (device && !config.readonly ? O_EXCL : 0)));
  if (!file_.valid()) {
    if (errno == EBUSY) {
      return UsageError("disk '{}' is in use by the host (mounted?)", path_);
    }
    const Error error = ErrnoError(errno, fmt::format("cannot open disk '{}'", path_)).value();
    return tl::unexpected(Error{ErrorKind::kUsage, error.message});
  }
  if (config.direct) {
    direct_file_.Reset(open(path_.c_str(), mode | O_DIRECT));
    if (!direct_file_.valid()) {
      return UsageError("disk '{}' cannot be used past the page cache; leave out direct=on", path_);
    }
  }
  return {};
}

Result<void> RawImage::Lock(bool readonly) {
  struct flock lock {};
  lock.l_type = static_cast<short>(readonly ? F_RDLCK : F_WRLCK);
  lock.l_whence = SEEK_SET;
  if (fcntl(file_.get(), F_OFD_SETLK, &lock) == 0) {
    return {};
  }
  if (errno == EAGAIN || errno == EACCES) {
    return UsageError("disk '{}' is in use by another disk or program{}", path_,
                      readonly ? ", which writes it" : "");
  }
  return ErrnoError(errno, fmt::format("cannot lock disk '{}'", path_));
}

Result<void> RawImage::LearnLimits(bool want_discard) {
  struct stat info {};
  if (fstat(file_.get(), &info) != 0) {
    return ErrnoError(errno, fmt::format("cannot look at disk '{}'", path_));
  }
  unsigned physical = 512;
  int logical = 512;
  if (S_ISBLK(info.st_mode)) {
    if (ioctl(file_.get(), BLKPBSZGET, &physical) != 0 ||
        ioctl(file_.get(), BLKSSZGET, &logical) != 0) {
      return ErrnoError(errno, fmt::format("cannot get the sector size of disk '{}'", path_));
    }
  } else {
    // The file system's block: less than one costs it a read.
    physical = static_cast<unsigned>(info.st_blksize);
    logical = 4096;  // what every file system takes past the page cache
  }
  fixed_.physical_sector = std::min(std::max(physical, 512U), 4096U);
  fixed_.discard_granularity = want_discard ? fixed_.physical_sector : 0;
  offset_alignment_ = static_cast<std::uint32_t>(logical);
  memory_alignment_ = kMemoryAlignment;
  return {};
}

DiskImage::Facts RawImage::facts() const {
  Facts facts = fixed_;
  facts.bytes = bytes_;
  return facts;
}

Result<void> RawImage::Refresh() {
  VENEER_TRY_ASSIGN(bytes_, SizeOf(file_.get(), path_));
  return {};
}

Result<std::unique_ptr<DiskChannel>> RawImage::OpenChannel() {
  UringChannel::Files files;
  files.file = file_.get();
  files.direct_file = direct_file_.get();
  files.offset_alignment = offset_alignment_;
  files.memory_alignment = memory_alignment_;
  return UringChannel::Create(files);
}

}  // namespace veneer
