#include "unix_address.h"

namespace veneer {

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

}  // namespace veneer
