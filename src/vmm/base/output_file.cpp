#include "veneer/vmm/base/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "veneer/vmm/base/image_lock_bytes.h"

namespace veneer {
namespace {

constexpr mode_t kOwnerOnly = S_IRUSR | S_IWUSR;
// O_NOCTTY: a terminal that is written to must not become ours.
constexpr int kNeverWait = O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

// Whether `path` is a name for nothing that is not a regular file.
bool IsFreeOrRegular(const std::string& path) {
  struct stat status {};
  return lstat(path.c_str(), &status) != 0 ? errno == ENOENT : S_ISREG(status.st_mode);
}

UniqueFd Create(const std::string& path, int flags) {
  return UniqueFd(open(path.c_str(),
                       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | kNeverWait | (flags & O_APPEND),
                       kOwnerOnly));
}

// Whether a VMM, ours or QEMU, has locked the bytes that stand for the use of an image.
bool IsUsedAsDisk(int fd) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = kImageUsed;
  lock.l_len = kImageLocksEnd - kImageUsed;
  return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

UniqueFd OpenExisting(const std::string& path, int flags) {
  UniqueFd fd(open(path.c_str(), O_WRONLY | kNeverWait | (flags & O_APPEND)));
  struct stat status {};
  if (!fd.valid() && errno == ENXIO && stat(path.c_str(), &status) == 0 &&
      S_ISFIFO(status.st_mode)) {
    // Nobody reads it yet. Open for reading too, it keeps what is written until somebody does.
    fd.Reset(open(path.c_str(), O_RDWR | kNeverWait));
  }
  return fd;
}

}  // namespace

Result<UniqueFd> OpenOutput(const std::string& path, int flags) {
  UniqueFd fd = Create(path, flags);
  if (!fd.valid() && errno == EEXIST) {
    fd = OpenExisting(path, flags);
    struct stat status {};
    if (!fd.valid() && errno == ENOENT && lstat(path.c_str(), &status) == 0) {
      return UsageError("'{}' is a link to nothing: make the file it names, or remove it", path);
    }
  }
  struct stat status {};
  if (!fd.valid() || fstat(fd.get(), &status) != 0) {
    return ErrnoError(errno, fmt::format("cannot write '{}'", path));
  }
  if (S_ISREG(status.st_mode)) {
    if (IsUsedAsDisk(fd.get())) {
      return UsageError("'{}' is in use as a disk image; name another file", path);
    }
    if ((flags & O_TRUNC) != 0 && ftruncate(fd.get(), 0) != 0) {
      return ErrnoError(errno, fmt::format("cannot empty '{}'", path));
    }
  }
  return fd;
}

Result<OutputFile> OutputFile::Open(const std::string& path, std::uint64_t max_bytes) {
  VENEER_TRY_ASSIGN(UniqueFd fd, OpenOutput(path, O_TRUNC));
  OutputFile file(std::move(fd));
  if (max_bytes == 0) {
    return file;
  }
  struct stat status {};
  if (fstat(file.fd(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return UsageError("'{}' is no regular file, so max-size cannot limit it: leave max-size out",
                      path);
  }
  const std::unique_ptr<char, decltype(&std::free)> real(realpath(path.c_str(), nullptr),
                                                         std::free);
  if (real == nullptr) {
    return ErrnoError(errno, fmt::format("cannot find '{}' again", path));
  }
  file.path_ = real.get();
  file.max_bytes_ = max_bytes;
  if (!IsFreeOrRegular(file.path_ + ".1")) {
    return UsageError("'{}.1' is no regular file, but the full file would get this name: remove it",
                      file.path_);
  }
  return file;
}

Result<bool> OutputFile::MakeRoom(std::size_t bytes) {
  if (max_bytes_ == 0 || bytes <= max_bytes_ - written_) {
    written_ += bytes;
    return false;
  }
  if (bytes > max_bytes_) {
    return HostError("{} bytes at once do not fit '{}' (max-size {})", bytes, path_, max_bytes_);
  }
  const std::string full = path_ + ".1";
  if (!IsFreeOrRegular(full)) {
    return HostError("'{}' is no regular file", full);
  }
  // What somebody else has moved away, or could not be made anew the last time, leaves its name
  // free.
  if (std::rename(path_.c_str(), full.c_str()) != 0 && errno != ENOENT) {
    return ErrnoError(errno, fmt::format("cannot rename '{}' to '{}'", path_, full));
  }
  UniqueFd next = Create(path_, 0);
  if (!next.valid()) {
    return ErrnoError(errno, fmt::format("cannot make '{}' anew", path_));
  }
  fd_ = std::move(next);
  written_ = bytes;
  return true;
}

}  // namespace veneer
