// Where CONSOLEIO_write goes: lines of the guest's emergency console, into our log.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "veneer/vmm/base/log.h"
#include "veneer/vmm/base/mutex.h"

namespace veneer {

// Thread-safe.
class GuestConsole {
 public:
  // Cuts `text` into lines; what does not print is dropped.
  void Write(std::span<const std::byte> text);

 private:
  LogLimiter limiter_;
  Mutex mutex_;
  std::string line_ GUARDED_BY(mutex_);
};

}  // namespace veneer
