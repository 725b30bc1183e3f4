#include "image_lock.h"

#include <fcntl.h>

#include <array>
#include <cerrno>

#include "veneer/vmm/base/image_lock_bytes.h"

namespace veneer {
namespace {

// QEMU's permissions, by the number of their byte: BLK_PERM_*.
constexpr off_t kRead = 0;  // what is read makes sense
constexpr off_t kWrite = 1;
constexpr off_t kResize = 3;

struct flock At(off_t byte, int type) {
  struct flock lock {};
  lock.l_type = static_cast<short>(type);
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  return lock;
}

// Whether anybody else holds this byte.
Result<bool> Held(int file, off_t byte, const std::string& disk) {
  struct flock lock = At(byte, F_WRLCK);
  if (fcntl(file, F_OFD_GETLK, &lock) != 0) {
    return ErrnoError(errno, fmt::format("cannot look at the locks of disk '{}'", disk));
  }
  return lock.l_type != F_UNLCK;
}

Result<void> Hold(int file, off_t byte, const std::string& disk) {
  struct flock lock = At(byte, F_RDLCK);
  if (fcntl(file, F_OFD_SETLK, &lock) != 0) {
    if (errno == EAGAIN || errno == EACCES) {
      return UsageError("disk '{}' is in use by another disk or program, which locks all of it",
                        disk);
    }
    return ErrnoError(errno, fmt::format("cannot lock disk '{}'", disk));
  }
  return {};
}

Result<void> Check(int file, bool readonly, const std::string& disk) {
  VENEER_TRY_ASSIGN(const bool written, Held(file, kImageUsed + kWrite, disk));
  VENEER_TRY_ASSIGN(const bool resized, Held(file, kImageUsed + kResize, disk));
  if (written || resized) {
    return UsageError("disk '{}' is in use by another disk or program, which writes it", disk);
  }
  VENEER_TRY_ASSIGN(const bool reading_unwelcome, Held(file, kImageNotShared + kRead, disk));
  VENEER_TRY_ASSIGN(const bool writing_unwelcome, Held(file, kImageNotShared + kWrite, disk));
  if (reading_unwelcome || (writing_unwelcome && !readonly)) {
    return UsageError("disk '{}' is in use by another disk or program{}", disk,
                      reading_unwelcome
                          ? ""
                          : ", which reads it and relies on it; only readonly=on goes with that");
  }
  return {};
}

}  // namespace

Result<void> LockImage(int file, bool readonly, const std::string& disk) {
  // Held first and looked for afterwards, so that of two that come at once at least one sees the
  // other.
  const std::array<off_t, 3> always{kImageUsed + kRead, kImageNotShared + kWrite,
                                    kImageNotShared + kResize};
  for (const off_t byte : always) {
    VENEER_TRY(Hold(file, byte, disk));
  }
  if (!readonly) {
    VENEER_TRY(Hold(file, kImageUsed + kWrite, disk));
  }
  return Check(file, readonly, disk);
}

void UnlockImage(int file) {
  struct flock lock {};
  lock.l_type = F_UNLCK;
  lock.l_whence = SEEK_SET;
  static_cast<void>(fcntl(file, F_OFD_SETLK, &lock));
}

}  // namespace veneer
