// A guest's place in the file system: the control socket, and the lock that makes it the guest's.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer {

// Whether `name` can be part of a file's name: 1 to 48 letters, digits, '-', '_' and '.', not
// beginning with a '.', nor with a '-', which would make it an option.
bool IsGuestName(std::string_view name);

// The folder in which a user's guests have their sockets: /run/veneer for root, else
// $XDG_RUNTIME_DIR/veneer. HostError if that is not set.
Result<std::string> ControlFolder(uid_t user, const char* xdg_runtime_dir);
// The socket of the guest `name` in such a folder, and in that of this process.
std::string ControlSocketIn(std::string_view folder, std::string_view name);
Result<std::string> DefaultControlSocket(std::string_view name);

// A listening socket of mode 0600 at `path`, and a locked file at `path`.lock. Whoever holds the
// lock owns both names, so that a socket left behind by a killed process can be replaced without a
// race. One thread.
class ControlSocket {
 public:
  // Makes the folder if only that is missing. Null if a living process has the path; UsageError if
  // something that is no socket is there.
  static Result<std::unique_ptr<ControlSocket>> Claim(const std::string& path);
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;
  // Removes both names, then closes the connections kept by CloseAfterRelease().
  ~ControlSocket();

  const std::string& path() const { return path_; }
  int fd() const { return listener_.get(); }
  // Keeps a client's connection until the path is free again, by which the client can tell.
  void CloseAfterRelease(UniqueFd connection) { kept_.push_back(std::move(connection)); }

 private:
  ControlSocket(std::string path, UniqueFd lock, UniqueFd listener);

  const std::string path_;
  UniqueFd lock_;
  UniqueFd listener_;
  std::vector<UniqueFd> kept_;
};

}  // namespace veneer
