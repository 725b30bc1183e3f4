// Ctrl-C as something to wait for.
#pragma once

#include <cstdint>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer::bench {

class Interrupt {
 public:
  // Takes SIGINT and SIGTERM from this process; before there are threads.
  static Result<Interrupt> Catch();

  // Waits until `fd` can be read, `timeout_ms` (-1: for ever) has passed, or a signal comes. True
  // if it can be read; kCanceled after a signal, and from then on.
  Result<bool> Wait(int fd, int timeout_ms);
  // Only looks whether a signal has come.
  Result<void> Check();

 private:
  UniqueFd signals_;
};

}  // namespace veneer::bench
