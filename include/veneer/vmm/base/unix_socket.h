// UNIX stream sockets with a name in the file system.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <string>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer {

struct UnixAddress {
  sockaddr_un value{};

  // UsageError for a path that is empty or too long.
  static Result<UnixAddress> Of(const std::string& path);
  // The socket calls take every kind of address through this type.
  const sockaddr* generic() const { return reinterpret_cast<const sockaddr*>(&value); }
};

// Not bound; `flags` may be SOCK_NONBLOCK.
UniqueFd MakeUnixSocket(int flags);

// Whether a socket is at `path`; false if nothing is there, UsageError if something else is.
Result<bool> IsSocketAt(const std::string& path);

// A non-blocking socket that listens at `path`, where nothing may be. Its mode is 0600 from the
// first moment.
Result<UniqueFd> ListenAt(const std::string& path);

}  // namespace veneer
