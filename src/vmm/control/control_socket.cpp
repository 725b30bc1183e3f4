#include "veneer/vmm/control/control_socket.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "veneer/vmm/base/unix_socket.h"

namespace veneer {
namespace {

constexpr mode_t kOwnerOnly = S_IRUSR | S_IWUSR;

std::string LockPath(const std::string& path) { return path + ".lock"; }

Result<void> MakeFolderOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash == 0) {
    return {};
  }
  const std::string folder = path.substr(0, slash);
  if (mkdir(folder.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    return ErrnoError(errno, fmt::format("cannot make the folder '{}'", folder));
  }
  return {};
}

// Whether `fd` is still the file of that name: its last owner may have removed it after it was
// opened here.
bool IsStillAt(int fd, const std::string& path) {
  struct stat opened {};
  struct stat named {};
  return fstat(fd, &opened) == 0 && stat(path.c_str(), &named) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

// Invalid if a living process has the lock.
Result<UniqueFd> Lock(const std::string& path) {
  for (;;) {
    UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kOwnerOnly));
    if (!fd.valid()) {
      return ErrnoError(errno, fmt::format("cannot make the lock file '{}'", path));
    }
    if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) {
        return UniqueFd();
      }
      return ErrnoError(errno, fmt::format("cannot lock '{}'", path));
    }
    if (IsStillAt(fd.get(), path)) {
      return fd;
    }
  }
}

// With the lock held: a socket that is there belongs to nobody any more.
Result<void> RemoveStale(const std::string& path) {
  VENEER_TRY_ASSIGN(const bool there, IsSocketAt(path));
  if (there && unlink(path.c_str()) != 0) {
    return ErrnoError(errno, fmt::format("cannot remove the stale socket '{}'", path));
  }
  return {};
}

Result<UniqueFd> Listen(const std::string& path) {
  VENEER_TRY(RemoveStale(path));
  return ListenAt(path);
}

}  // namespace

bool IsGuestName(std::string_view name) {
  constexpr std::size_t kLongest = 48;
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !name.empty() && name.size() <= kLongest && name.front() != '.' && name.front() != '-' &&
         std::all_of(name.begin(), name.end(), fits);
}

Result<std::string> ControlFolder(uid_t user, const char* xdg_runtime_dir) {
  if (user == 0) {
    return std::string("/run/veneer");
  }
  if (xdg_runtime_dir == nullptr || *xdg_runtime_dir == '\0') {
    return HostError("XDG_RUNTIME_DIR is not set, so there is no usual place for control sockets");
  }
  if (*xdg_runtime_dir != '/') {
    return HostError(
        "XDG_RUNTIME_DIR is '{}', which is no path from the root, so there is no usual "
        "place for control sockets",
        xdg_runtime_dir);
  }
  return std::string(xdg_runtime_dir) + "/veneer";
}

std::string ControlSocketIn(std::string_view folder, std::string_view name) {
  return fmt::format("{}/{}.sock", folder, name);
}

Result<std::string> DefaultControlSocket(std::string_view name) {
  VENEER_TRY_ASSIGN(const std::string folder,
                    ControlFolder(geteuid(), std::getenv("XDG_RUNTIME_DIR")));
  return ControlSocketIn(folder, name);
}

Result<std::unique_ptr<ControlSocket>> ControlSocket::Claim(const std::string& path) {
  VENEER_TRY(UnixAddress::Of(path));
  VENEER_TRY(MakeFolderOf(path));
  const std::string lock_path = LockPath(path);
  VENEER_TRY_ASSIGN(UniqueFd lock, Lock(lock_path));
  if (!lock.valid()) {
    return std::unique_ptr<ControlSocket>();
  }
  Result<UniqueFd> listener = Listen(path);
  if (!listener) {
    unlink(lock_path.c_str());
    return tl::unexpected(std::move(listener).error());
  }
  return std::unique_ptr<ControlSocket>(
      new ControlSocket(path, std::move(lock), std::move(listener).value()));
}

ControlSocket::ControlSocket(std::string path, UniqueFd lock, UniqueFd listener)
    : path_(std::move(path)), lock_(std::move(lock)), listener_(std::move(listener)) {}

ControlSocket::~ControlSocket() {
  listener_.Reset();
  // The lock goes last: until then nobody else can have made either name anew.
  unlink(path_.c_str());
  unlink(LockPath(path_).c_str());
  lock_.Reset();
}

}  // namespace veneer
