#include "own_network.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include <sched.h>

#include "load/interface_address.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer::bench {
namespace {

bool Write(const char* path, const std::string& text) {
  const UniqueFd file(open(path, O_WRONLY | O_CLOEXEC));
  return file.valid() &&
         write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

}  // namespace

Result<void> EnterOwnNetwork() {
  const uid_t user = geteuid();
  const gid_t group = getegid();
  if (unshare(CLONE_NEWNET | (user != 0 ? CLONE_NEWUSER : 0)) != 0) {
    return ErrnoError(errno, "cannot make a network namespace (as root it can be done)");
  }
  if (user != 0 && !(Write("/proc/self/uid_map", fmt::format("0 {} 1", user)) &&
                     Write("/proc/self/setgroups", "deny") &&
                     Write("/proc/self/gid_map", fmt::format("0 {} 1", group)))) {
    return ErrnoError(errno, "cannot set up a user namespace");
  }
  if (const std::string error = SetInterfaceAddress("lo", "127.0.0.1"); !error.empty()) {
    return HostError("{}", error);
  }
  return {};
}

}  // namespace veneer::bench
