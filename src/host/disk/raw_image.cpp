#include "raw_image.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "image_lock.h"
#include "uring_channel.h"
#include "veneer/vmm/base/log.h"

namespace veneer {
namespace {

constexpr std::uint32_t kMemoryAlignment = 512;
constexpr unsigned kIdeSector = 512;  // bytes

// A multiple of `sector`.
Result<std::uint64_t> SizeOf(int fd, const std::string& path, std::uint64_t sector) {
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
  if (bytes < sector) {
    return UsageError("disk '{}' {}; give it a size first, for example with truncate -s 10G", path,
                      bytes == 0 ? std::string("is empty")
                                 : fmt::format("has {} bytes, less than one sector", bytes));
  }
  if (bytes % sector != 0) {
    LogWarning("disk '{}': the guest does not see its last {} bytes, which are no whole sector",
               path, bytes % sector);
  }
  return bytes / sector * sector;
}

}  // namespace

Result<std::unique_ptr<DiskImage>> RawImage::Open(const DiskConfig& config) {
  std::unique_ptr<RawImage> image(new RawImage(config.path));
  VENEER_TRY(image->OpenFiles(config));
  VENEER_TRY(LockImage(image->file_.get(), config.readonly, config.path));
  VENEER_TRY(image->LearnLimits(config));
  VENEER_TRY(image->Refresh());
  VENEER_TRY(UringChannel::Check());
  image->fixed_.readonly = config.readonly;
  if (config.probed) {
    image->guard_.emplace(config.path);
  }
  return image;
}

RawImage::~RawImage() {
  if (file_.valid()) {
    UnlockImage(file_.get());
  }
}

Result<void> RawImage::OpenFiles(const DiskConfig& config) {
  const int mode = (config.readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC;
  struct stat info {};
  // A block device in use by the host (mounted) must not be written behind its back.
  const bool device = stat(path_.c_str(), &info) == 0 && S_ISBLK(info.st_mode);
  // Without waiting: opening a FIFO would, for its other end.
  file_.Reset(open(path_.c_str(), mode | O_NONBLOCK | (device && !config.readonly ? O_EXCL : 0)));
  if (!file_.valid()) {
    if (errno == EBUSY) {
      return UsageError("disk '{}' is in use by the host (mounted?)", path_);
    }
    const Error error = ErrnoError(errno, fmt::format("cannot open disk '{}'", path_)).value();
    return tl::unexpected(Error{ErrorKind::kUsage, error.message});
  }
  if (fstat(file_.get(), &info) != 0 || !(S_ISREG(info.st_mode) || S_ISBLK(info.st_mode))) {
    return UsageError("disk '{}' is neither a file nor a block device", path_);
  }
  // io_uring must not take the flag for a wish of its own.
  static_cast<void>(fcntl(file_.get(), F_SETFL, 0));
  if (config.direct) {
    // The same file again, whatever has its name by now.
    const std::string same = fmt::format("/proc/self/fd/{}", file_.get());
    direct_file_.Reset(open(same.c_str(), mode | O_DIRECT));
    if (!direct_file_.valid()) {
      return UsageError("disk '{}' cannot be used past the page cache; leave out direct=on", path_);
    }
  }
  return {};
}

Result<void> RawImage::LearnLimits(const DiskConfig& config) {
  struct stat info {};
  if (fstat(file_.get(), &info) != 0) {
    return ErrnoError(errno, fmt::format("cannot look at disk '{}'", path_));
  }
  unsigned physical = 512;
  int logical = 512;
  unsigned shown = 512;
  if (S_ISBLK(info.st_mode)) {
    if (ioctl(file_.get(), BLKPBSZGET, &physical) != 0 ||
        ioctl(file_.get(), BLKSSZGET, &logical) != 0) {
      return ErrnoError(errno, fmt::format("cannot get the sector size of disk '{}'", path_));
    }
    shown = static_cast<unsigned>(logical);
  } else {
    // The file system's block: less than one costs it a read.
    physical = static_cast<unsigned>(info.st_blksize);
    logical = 4096;  // what every file system takes past the page cache
  }
  if (config.logical_block_bytes != 0) {
    shown = config.logical_block_bytes;
  } else if (IsIdeDisk(config) && shown > kIdeSector) {
    LogWarning(
        "disk '{}' has sectors of {} bytes and an IDE disk has smaller ones, so that the guest "
        "does not find its partitions; use bus=pv",
        path_, shown);
    shown = kIdeSector;
  }
  if (shown > kLargestLogicalBlock) {
    return UsageError(
        "disk '{}' has sectors of {} bytes, and guests know none above {}; write "
        "logical-block-size={}",
        path_, shown, kLargestLogicalBlock, kLargestLogicalBlock);
  }
  fixed_.logical_sector = shown;
  fixed_.physical_sector = std::clamp(physical, shown, 4096U);
  fixed_.discard_granularity = config.discard && !config.readonly ? fixed_.physical_sector : 0;
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
  VENEER_TRY_ASSIGN(bytes_, SizeOf(file_.get(), path_, fixed_.logical_sector));
  return {};
}

Result<std::unique_ptr<DiskChannel>> RawImage::OpenChannel() {
  UringChannel::Files files;
  files.file = file_.get();
  files.direct_file = direct_file_.get();
  files.offset_alignment = offset_alignment_;
  files.memory_alignment = memory_alignment_;
  files.guard = guard_ ? &*guard_ : nullptr;
  files.flushes = &flushes_;
  return UringChannel::Create(files);
}

}  // namespace veneer
