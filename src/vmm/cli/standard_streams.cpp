#include "standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace veneer {

Result<void> OpenMissingStandardStreams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    // Those below are open by now, so that this is the lowest free number, which open() takes. Not
    // closed on exec: children have the same right to it.
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd) {
      return ErrnoError(errno, "cannot open /dev/null in place of a closed standard stream");
    }
  }
  return {};
}

}  // namespace veneer
