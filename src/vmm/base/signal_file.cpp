#include "veneer/vmm/base/signal_file.h"

#include <sys/signalfd.h>

#include <cerrno>

namespace veneer {

Result<UniqueFd> OpenSignalFile(const sigset_t& signals) {
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  UniqueFd fd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) {
    return ErrnoError(errno, "cannot watch for signals");
  }
  return fd;
}

}  // namespace veneer
