// Addresses of UNIX stream sockets.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <string>

#include "veneer/base/result.h"
#include "veneer/base/unique_fd.h"

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

}  // namespace veneer
