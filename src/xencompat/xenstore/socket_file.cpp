#include "socket_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "veneer/vmm/base/unix_socket.h"

namespace veneer {
namespace {

// Removes a socket left behind by a process that is gone.
Result<void> RemoveStale(const std::string& path) {
  VENEER_TRY_ASSIGN(const UnixAddress address, UnixAddress::Of(path));
  VENEER_TRY_ASSIGN(const bool there, IsSocketAt(path));
  if (!there) {
    return {};
  }
  const UniqueFd probe = MakeUnixSocket(SOCK_NONBLOCK);
  if (connect(probe.get(), address.generic(), sizeof address.value) == 0 || errno == EAGAIN) {
    return UsageError("another process listens at '{}'; choose another path", path);
  }
  if (errno != ECONNREFUSED) {
    return ErrnoError(errno, fmt::format("cannot tell whether '{}' is in use", path));
  }
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return ErrnoError(errno, fmt::format("cannot remove the stale socket '{}'", path));
  }
  return {};
}

}  // namespace

Result<SocketFile> SocketFile::Listen(const std::string& path) {
  VENEER_TRY(RemoveStale(path));
  VENEER_TRY_ASSIGN(UniqueFd fd, ListenAt(path));
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) {
    return ErrnoError(errno, fmt::format("cannot find the socket '{}' again", path));
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
