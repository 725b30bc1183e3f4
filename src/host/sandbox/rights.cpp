#include "rights.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

namespace veneer {
namespace {

// The kernel's two halves of each set.
struct Capabilities {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};

  bool Read() { return syscall(SYS_capget, &header, data.data()) == 0; }
  bool Write() { return syscall(SYS_capset, &header, data.data()) == 0; }
};

std::uint32_t Bit(bool wanted, unsigned capability) {
  static_assert(CAP_DAC_OVERRIDE < 32 && CAP_NET_BIND_SERVICE < 32 && CAP_NET_ADMIN < 32);
  return wanted ? 1U << capability : 0;
}

}  // namespace

Result<void> DropRights(const KeptRights& kept) {
  Capabilities capabilities;
  if (!capabilities.Read()) {
    return ErrnoError(errno, "cannot read this process's capabilities");
  }
  const std::uint32_t low = Bit(kept.taps, CAP_NET_ADMIN) | Bit(kept.ports, CAP_NET_BIND_SERVICE) |
                            Bit(kept.files, CAP_DAC_OVERRIDE);
  capabilities.data[0].permitted &= low;
  // What is kept is used, after a change of user as well, which leaves it permitted only.
  capabilities.data[0].effective = capabilities.data[0].permitted;
  capabilities.data[0].inheritable = 0;
  capabilities.data[1] = {};
  if (!capabilities.Write()) {
    return ErrnoError(errno, "cannot give up this process's capabilities");
  }
  return {};
}

bool CanMakeTaps() {
  Capabilities capabilities;
  return capabilities.Read() && (capabilities.data[0].effective & Bit(true, CAP_NET_ADMIN)) != 0;
}

Result<void> RefuseNewRights() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return ErrnoError(errno, "the host's kernel has no no_new_privs (--sandbox off goes without)");
  }
  return {};
}

void ForbidCoreFiles() {
  const rlimit none{0, 0};
  // Lowering it always works.
  static_cast<void>(setrlimit(RLIMIT_CORE, &none));
}

}  // namespace veneer
