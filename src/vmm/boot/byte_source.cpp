#include "byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace veneer {

Result<void> ByteSource::ReadAt(std::uint64_t offset, std::span<std::byte> out) {
  VENEER_TRY_ASSIGN(const std::size_t got, ReadSome(offset, out));
  if (got != out.size()) {
    return UsageError("the file is truncated: {} bytes are missing at offset {:#x}",
                      out.size() - got, offset + got);
  }
  return {};
}

Result<std::unique_ptr<FileSource>> FileSource::Open(const std::string& path) {
  // O_NONBLOCK: opening a FIFO must not wait for somebody to write to it.
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) {
    return UsageError("cannot open the file: {}", std::strerror(errno));
  }
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) {
    return ErrnoError(errno, "cannot examine the file");
  }
  if (!S_ISREG(status.st_mode)) {
    return UsageError("this is {}, not a regular file",
                      S_ISDIR(status.st_mode) ? "a directory" : "a device, pipe or socket");
  }
  if (status.st_size == 0) {
    return UsageError("the file is empty");
  }
  return std::unique_ptr<FileSource>(
      new FileSource(std::move(fd), static_cast<std::uint64_t>(status.st_size)));
}

Result<std::size_t> FileSource::ReadSome(std::uint64_t offset, std::span<std::byte> out) {
  std::size_t done = 0;
  // An offset past what off_t holds would be an error to pread() and is simply past the end.
  while (done < out.size() && offset < size_) {
    const ssize_t got =
        pread(fd_.get(), out.data() + done, out.size() - done, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return ErrnoError(errno, "cannot read the file");
    }
    if (got == 0) {
      break;
    }
    done += static_cast<std::size_t>(got);
    offset += static_cast<std::uint64_t>(got);
  }
  return done;
}

Result<std::size_t> SpanSource::ReadSome(std::uint64_t offset, std::span<std::byte> out) {
  if (offset >= bytes_.size()) {
    return std::size_t{0};
  }
  const std::size_t length = std::min<std::uint64_t>(out.size(), bytes_.size() - offset);
  std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), length, out.begin());
  return length;
}

}  // namespace veneer
