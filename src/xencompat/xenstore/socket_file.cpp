#include "socket_file.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace veneer {
namespace {

constexpr int kBacklog = 16;

UniqueFd MakeSocket() {
  return UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

const sockaddr* Generic(const sockaddr_un& address) {
  // The socket calls take every kind of address through this type.
  return reinterpret_cast<const sockaddr*>(&address);
}

// Removes a socket left behind by a process that is gone.
Result<void> RemoveStale(const std::string& path, const sockaddr_un& address) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) {
    return {};
  }
  if (!S_ISSOCK(status.st_mode)) {
    return UsageError(
        "xenstore socket {}: something that is not a socket is there; remove it or "
        "choose another path",
        path);
  }
  const UniqueFd probe = MakeSocket();
  if (connect(probe.get(), Generic(address), sizeof address) == 0 || errno == EAGAIN) {
    return UsageError("xenstore socket {}: another process listens there; choose another path",
                      path);
  }
  if (errno != ECONNREFUSED) {
    return ErrnoError(errno,
                      fmt::format("xenstore socket {}: cannot tell whether it is in use", path));
  }
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return ErrnoError(errno,
                      fmt::format("xenstore socket {}: cannot remove the stale socket", path));
  }
  return {};
}

}  // namespace

Result<SocketFile> SocketFile::Listen(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return UsageError("xenstore socket {}: the path must have 1 to {} bytes", path,
                      sizeof address.sun_path - 1);
  }
  path.copy(address.sun_path, path.size());
  VENEER_TRY(RemoveStale(path, address));

  UniqueFd fd = MakeSocket();
  // The mode goes onto the name that bind() makes, so that there is no moment with a wider one.
  if (!fd.valid() || fchmod(fd.get(), S_IRUSR | S_IWUSR) != 0 ||
      bind(fd.get(), Generic(address), sizeof address) != 0) {
    return ErrnoError(errno, fmt::format("xenstore socket {}: cannot be made", path));
  }
  struct stat status {};
  if (chmod(path.c_str(), S_IRUSR | S_IWUSR) != 0 || lstat(path.c_str(), &status) != 0 ||
      listen(fd.get(), kBacklog) != 0) {
    const int error = errno;
    unlink(path.c_str());
    return ErrnoError(error, fmt::format("xenstore socket {}: cannot listen", path));
  }
  return SocketFile(std::move(fd), path, status.st_dev, status.st_ino);
}

SocketFile::~SocketFile() {
  if (!fd_.valid()) {
    return;
  }
  struct stat status {};
  if (lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_) {
    unlink(path_.c_str());
  }
}

}  // namespace veneer
