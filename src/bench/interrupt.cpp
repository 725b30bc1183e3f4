#include "interrupt.h"

#include <poll.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "veneer/vmm/base/signal_file.h"

namespace veneer::bench {

Result<Interrupt> Interrupt::Catch() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  Interrupt interrupt;
  VENEER_TRY_ASSIGN(interrupt.signals_, OpenSignalFile(signals));
  return interrupt;
}

// The signal stays in the descriptor, so that every later wait ends as well.
Result<bool> Interrupt::Wait(int fd, int timeout_ms) {
  std::array<pollfd, 2> files{{{signals_.get(), POLLIN, 0}, {fd, POLLIN, 0}}};
  while (poll(files.data(), files.size(), timeout_ms) < 0 && errno == EINTR) {
  }
  if (files[0].revents != 0) {
    return tl::unexpected(Error{ErrorKind::kCanceled, "interrupted"});
  }
  return files[1].revents != 0;
}

Result<void> Interrupt::Check() {
  VENEER_TRY(Wait(-1, 0));
  return {};
}

}  // namespace veneer::bench
