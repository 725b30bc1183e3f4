#include "veneer/devices/pc/debug_port.h"

namespace veneer {

Result<void> DebugPort::Attach(Bus& ports) { return ports.Attach(kPort, 1, *this); }

std::uint64_t DebugPort::Read(std::uint64_t /*offset*/, unsigned /*size*/) { return kPort; }

void DebugPort::Write(std::uint64_t /*offset*/, unsigned /*size*/, std::uint64_t value) {
  const MutexLock lock(mutex_);
  line_.push_back(static_cast<std::byte>(value));
  if (value == '\n' || line_.size() >= kMaxLine) {
    sink_.Write(line_);
    line_.clear();
  }
}

void DebugPort::Flush() {
  const MutexLock lock(mutex_);
  if (!line_.empty()) {
    sink_.Write(line_);
    line_.clear();
  }
}

Result<void> PostPort::Attach(Bus& ports) { return ports.Attach(kPort, 1, *this); }

std::uint64_t PostPort::Read(std::uint64_t /*offset*/, unsigned size) { return AllOnes(size); }

void PostPort::Write(std::uint64_t /*offset*/, unsigned /*size*/, std::uint64_t /*value*/) {}

}  // namespace veneer
