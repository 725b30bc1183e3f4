#include "veneer/vmm/base/text_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <system_error>
#include <utility>

#include "veneer/vmm/base/output_file.h"
#include "veneer/vmm/base/output_stream.h"

namespace veneer {
namespace {

tl::unexpected<Error> CannotWrite(const std::string& path, int error) {
  return ErrnoError(error, fmt::format("cannot write '{}'", path));
}

// False: see errno.
bool WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = write(fd, text.data(), text.size());
    if (count < 0 && errno != EINTR) {
      return false;
    }
    text.remove_prefix(count > 0 ? static_cast<std::size_t>(count) : 0);
  }
  return true;
}

// A file beside `path` of a name that nobody can foresee, which becomes `path`. `old` is what it
// replaces; null: nothing. False, with errno: it cannot be made so, and `path` is as it was.
bool PutInPlace(const std::string& path, std::string_view text, const struct stat* old) {
  std::string temporary = path + ".XXXXXX";
  const UniqueFd file(mkostemp(temporary.data(), O_CLOEXEC));  // 0600
  if (!file.valid()) {
    return false;
  }
  const bool keeps_owner = old == nullptr ||
                           (old->st_uid == geteuid() && old->st_gid == getegid()) ||
                           fchown(file.get(), old->st_uid, old->st_gid) == 0;
  const bool keeps_mode =
      keeps_owner && (old == nullptr || fchmod(file.get(), old->st_mode & 07777U) == 0);
  if (keeps_mode && WriteAll(file.get(), text) &&
      std::rename(temporary.c_str(), path.c_str()) == 0) {
    return true;
  }
  const int error = errno;
  unlink(temporary.c_str());
  errno = error;
  return false;
}

Result<void> Overwrite(const std::string& path, std::string_view text) {
  VENEER_TRY_ASSIGN(const UniqueFd file, OpenOutput(path, O_TRUNC));
  return WriteAll(file.get(), text) ? Result<void>() : CannotWrite(path, errno);
}

Result<void> SendTo(const std::string& path, UniqueFd fd, std::string_view text) {
  constexpr std::chrono::seconds kPatience{1};
  OutputStream stream{OutputFile(std::move(fd))};
  std::uint64_t lost = stream.WriteWithoutWaiting(std::as_bytes(std::span(text)));
  lost += stream.Flush(std::chrono::steady_clock::now() + kPatience);
  if (lost > 0) {
    return HostError("cannot write '{}': {}", path, stream.Reason());
  }
  return {};
}

// Standard output or error, if `status` is what one of them goes to. To open /dev/stdout anew would
// fail for a socket, and overwrite what has been printed to a file.
UniqueFd StandardStream(const struct stat& status) {
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
    struct stat stream {};
    if (fstat(fd, &stream) == 0 && stream.st_dev == status.st_dev &&
        stream.st_ino == status.st_ino) {
      return UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    }
  }
  return {};
}

}  // namespace

Result<std::string> ReadTextFile(const std::string& path, std::size_t most) {
  const auto cannot_read = [&path](int error) {
    return UsageError("cannot read '{}': {}", path, std::generic_category().message(error));
  };
  // Opening a FIFO that nobody writes to must not wait.
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  struct stat status {};
  if (!fd.valid() || fstat(fd.get(), &status) != 0) {
    return cannot_read(errno);
  }
  if ((!S_ISREG(status.st_mode) && !S_ISFIFO(status.st_mode)) ||
      fcntl(fd.get(), F_SETFL, O_RDONLY) != 0) {
    return UsageError("'{}' is not a file", path);
  }
  std::string text(most + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t count = read(fd.get(), text.data() + size, text.size() - size);
    if (count < 0 && errno != EINTR) {
      return cannot_read(errno);
    }
    if (count == 0) {
      text.resize(size);
      return text;
    }
    size += count > 0 ? static_cast<std::size_t>(count) : 0;
  }
  return UsageError("'{}' is larger than {} KiB, the most that is read", path, most >> 10U);
}

Result<void> ReplaceFile(const std::string& path, std::string_view text) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) {
    const int error = errno;
    if (error == ENOENT && lstat(path.c_str(), &status) == 0) {
      return UsageError("'{}' is a link to nothing: make the file it names, or remove it", path);
    }
    return error == ENOENT && PutInPlace(path, text, nullptr) ? Result<void>()
                                                              : CannotWrite(path, errno);
  }
  if (UniqueFd stream = StandardStream(status); stream.valid()) {
    return SendTo(path, std::move(stream), text);
  }
  if (!S_ISREG(status.st_mode)) {
    UniqueFd fd(open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!fd.valid() && errno == ENXIO) {
      return HostError("cannot write '{}': nobody reads it", path);
    }
    return fd.valid() ? SendTo(path, std::move(fd), text) : CannotWrite(path, errno);
  }
  const std::unique_ptr<char, decltype(&std::free)> real(realpath(path.c_str(), nullptr),
                                                         std::free);
  if (real != nullptr && PutInPlace(real.get(), text, &status)) {
    return {};
  }
  const int error = errno;
  if (error == EACCES || error == EPERM || error == EROFS) {
    // The folder is not ours to write in, or the file is another's: its content is what we may
    // change.
    return Overwrite(path, text);
  }
  return CannotWrite(path, error);
}

}  // namespace veneer
