// Logging for people: levels, one sink (stderr or a file), and a limit for what guests can provoke.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/core.h>

#include "veneer/vmm/base/result.h"

namespace veneer {

enum class LogLevel { kTrace, kDebug, kInfo, kWarning, kError, kOff };

// "trace", "debug", "info", "warning", "error" or "off".
Result<LogLevel> ParseLogLevel(std::string_view text);

// Sets level and sink for the process. `file` empty: stderr. Call before threads start.
Result<void> ConfigureLog(LogLevel level, const std::string& file);

// Any thread.
void SetLogLevel(LogLevel level);

// While the terminal is in raw mode, lines on stderr must end in CR LF.
void SetLogTerminalRaw(bool raw);

bool LogEnabled(LogLevel level);
// Thread-safe; one line, without a trailing newline.
void LogLine(LogLevel level, std::string_view line);

template <typename... Args>
void Log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (LogEnabled(level)) {
    LogLine(level, fmt::format(format, std::forward<Args>(args)...));
  }
}

template <typename... Args>
void LogDebug(fmt::format_string<Args...> format, Args&&... args) {
  Log(LogLevel::kDebug, format, std::forward<Args>(args)...);
}
template <typename... Args>
void LogInfo(fmt::format_string<Args...> format, Args&&... args) {
  Log(LogLevel::kInfo, format, std::forward<Args>(args)...);
}
template <typename... Args>
void LogWarning(fmt::format_string<Args...> format, Args&&... args) {
  Log(LogLevel::kWarning, format, std::forward<Args>(args)...);
}
template <typename... Args>
void LogError(fmt::format_string<Args...> format, Args&&... args) {
  Log(LogLevel::kError, format, std::forward<Args>(args)...);
}

// Lets through a burst, then a few lines per second; says how many were held back. One per kind of
// guest-caused message. Thread-safe.
class LogLimiter {
 public:
  static constexpr std::uint64_t kBurst = 10;
  static constexpr std::uint64_t kPerSecond = 2;

  // Whether a line may be written now (`now_ns` on the monotonic clock). On true, `*suppressed` is
  // the number of lines held back since the last one let through.
  bool Allow(std::uint64_t now_ns, std::uint64_t* suppressed);

 private:
  // Time, in ns, at which the bucket would be full again (generic cell rate algorithm).
  std::atomic<std::uint64_t> full_at_ns_{0};
  std::atomic<std::uint64_t> suppressed_{0};
};

// A line about something the guest did, at warning level, through `limiter`.
void LogGuestLine(LogLimiter& limiter, std::string_view line);

template <typename... Args>
void LogGuest(LogLimiter& limiter, fmt::format_string<Args...> format, Args&&... args) {
  if (LogEnabled(LogLevel::kWarning)) {
    LogGuestLine(limiter, fmt::format(format, std::forward<Args>(args)...));
  }
}

}  // namespace veneer
