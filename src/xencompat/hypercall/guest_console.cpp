#include "guest_console.h"

#include <cctype>

namespace veneer {

void GuestConsole::Write(std::span<const std::byte> text) {
  constexpr std::size_t kMaxLine = 256;
  const MutexLock lock(mutex_);
  for (const std::byte byte : text) {
    const auto c = std::to_integer<unsigned char>(byte);
    if (std::isprint(c) != 0 || c == '\t') {
      line_.push_back(static_cast<char>(c));
    }
    if (c == '\n' || line_.size() >= kMaxLine) {
      LogGuest(limiter_, "guest: {}", line_);
      line_.clear();
    }
  }
}

}  // namespace veneer
