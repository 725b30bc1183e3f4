#include "veneer/vmm/base/unix_socket.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace veneer {
namespace {

constexpr int kBacklog = 16;
constexpr mode_t kOwnersSocket = S_IRUSR | S_IWUSR;

}  // namespace

Result<UnixAddress> UnixAddress::Of(const std::string& path) {
  UnixAddress address;
  address.value.sun_family = AF_UNIX;
  constexpr std::size_t kLongest = sizeof address.value.sun_path - 1;
  if (path.empty() || path.size() > kLongest || path.find('\0') != std::string::npos) {
    return UsageError("'{}' cannot be a socket: the path must have 1 to {} bytes", path, kLongest);
  }
  path.copy(address.value.sun_path, path.size());
  return address;
}

UniqueFd MakeUnixSocket(int flags) {
  return UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
}

Result<bool> IsSocketAt(const std::string& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) {
    return false;
  }
  if (!S_ISSOCK(status.st_mode)) {
    return UsageError("'{}' is not a socket: remove it or choose another path", path);
  }
  return true;
}

Result<UniqueFd> ListenAt(const std::string& path) {
  VENEER_TRY_ASSIGN(const UnixAddress address, UnixAddress::Of(path));
  UniqueFd fd = MakeUnixSocket(SOCK_NONBLOCK);
  // The mode goes onto the name that bind() makes, so that there is no moment with a wider one, and
  // nobody can put another file in its place before it is set.
  if (!fd.valid() || fchmod(fd.get(), kOwnersSocket) != 0 ||
      bind(fd.get(), address.generic(), sizeof address.value) != 0) {
    return ErrnoError(errno, fmt::format("cannot make the socket '{}'", path));
  }
  if (listen(fd.get(), kBacklog) != 0) {
    const int error = errno;
    unlink(path.c_str());
    return ErrnoError(error, fmt::format("cannot listen at '{}'", path));
  }
  return fd;
}

}  // namespace veneer
