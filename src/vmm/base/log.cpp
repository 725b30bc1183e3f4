#include "veneer/vmm/base/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <span>
#include <utility>

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include "veneer/vmm/base/clock.h"
#include "veneer/vmm/base/output_stream.h"

namespace veneer {
namespace {

constexpr char kPattern[] = "veneer: %^%l%$: %v";
constexpr char kFilePattern[] = "%Y-%m-%d %H:%M:%S.%e %l: %v";

struct LevelName {
  std::string_view name;
  LogLevel level;
};
constexpr std::array kLevelNames{
    LevelName{"trace", LogLevel::kTrace}, LevelName{"debug", LogLevel::kDebug},
    LevelName{"info", LogLevel::kInfo},   LevelName{"warning", LogLevel::kWarning},
    LevelName{"error", LogLevel::kError}, LevelName{"off", LogLevel::kOff},
};

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace:
      return spdlog::level::trace;
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
    case LogLevel::kOff:
      break;
  }
  return spdlog::level::off;
}

// Nothing waits for whoever reads the log: lines that nobody takes are dropped, and their number
// stands where they are missing.
class StreamSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit StreamSink(UniqueFd fd) : stream_(OutputFile(std::move(fd))) {}
  ~StreamSink() override { flush_(); }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    if (const std::uint64_t lost = std::exchange(lost_, 0); lost > 0) {
      const std::string note = fmt::format("{} bytes of the log were dropped here", lost);
      Put(spdlog::details::log_msg(message.logger_name, spdlog::level::warn, note));
    }
    Put(message);
  }
  void flush_() override {
    constexpr std::chrono::milliseconds kPatience{300};
    stream_.Flush(std::chrono::steady_clock::now() + kPatience);
  }

 private:
  void Put(const spdlog::details::log_msg& message) {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    lost_ += stream_.WriteWithoutWaiting(std::as_bytes(std::span(line.data(), line.size())));
  }

  OutputStream stream_;
  std::uint64_t lost_ = 0;
};

std::shared_ptr<spdlog::logger> MakeStderrLogger() {
  // Its own descriptor, whatever becomes of number 2.
  auto logger = std::make_shared<spdlog::logger>(
      "veneer", std::make_shared<StreamSink>(UniqueFd(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0))));
  logger->set_pattern(kPattern);
  logger->set_level(spdlog::level::info);
  return logger;
}

// Replaced only by ConfigureLog(), before threads start. Never destroyed, but flushed: a detached
// thread may log while the process ends.
std::shared_ptr<spdlog::logger>& Logger() {
  static auto& logger = *new std::shared_ptr<spdlog::logger>(MakeStderrLogger());
  [[maybe_unused]] static const int at_end = std::atexit([] { logger->flush(); });
  return logger;
}

std::atomic<bool> log_to_stderr{true};

}  // namespace

Result<LogLevel> ParseLogLevel(std::string_view text) {
  const auto* it = std::find_if(kLevelNames.begin(), kLevelNames.end(),
                                [&](const LevelName& entry) { return entry.name == text; });
  if (it == kLevelNames.end()) {
    return UsageError("'{}' is not a log level; use trace, debug, info, warning, error or off",
                      text);
  }
  return it->level;
}

Result<void> ConfigureLog(LogLevel level, const std::string& file) {
  if (!file.empty()) {
    Result<UniqueFd> fd = OpenOutput(file, O_APPEND);
    if (!fd) {
      return WithContext(std::move(fd).error(), "--log-file");
    }
    auto logger = std::make_shared<spdlog::logger>(
        "veneer", std::make_shared<StreamSink>(std::move(fd).value()));
    logger->set_pattern(kFilePattern);
    Logger() = std::move(logger);
  } else {
    Logger() = MakeStderrLogger();
  }
  log_to_stderr = file.empty();
  Logger()->set_level(ToSpdlog(level));
  return {};
}

void SetLogLevel(LogLevel level) { Logger()->set_level(ToSpdlog(level)); }

void SetLogTerminalRaw(bool raw) {
  if (!log_to_stderr) {
    return;
  }
  Logger()->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      kPattern, spdlog::pattern_time_type::local, raw ? "\r\n" : "\n"));
}

bool LogEnabled(LogLevel level) { return Logger()->should_log(ToSpdlog(level)); }

void LogLine(LogLevel level, std::string_view line) {
  Logger()->log(ToSpdlog(level), spdlog::string_view_t(line.data(), line.size()));
}

bool LogLimiter::Allow(std::uint64_t now_ns, std::uint64_t* suppressed) {
  constexpr std::uint64_t kCostNs = 1'000'000'000U / kPerSecond;
  std::uint64_t full_at = full_at_ns_.load(std::memory_order_relaxed);
  for (;;) {
    const std::uint64_t base = std::max(full_at, now_ns);
    if (base - now_ns > (kBurst - 1) * kCostNs) {
      suppressed_.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    if (full_at_ns_.compare_exchange_weak(full_at, base + kCostNs, std::memory_order_relaxed)) {
      *suppressed = suppressed_.exchange(0, std::memory_order_relaxed);
      return true;
    }
  }
}

void LogGuestLine(LogLimiter& limiter, std::string_view line) {
  std::uint64_t suppressed = 0;
  if (!limiter.Allow(HostClock().MonotonicNs(), &suppressed)) {
    return;
  }
  if (suppressed > 0) {
    Log(LogLevel::kWarning, "{} ({} more like it were not shown)", line, suppressed);
  } else {
    LogLine(LogLevel::kWarning, line);
  }
}

}  // namespace veneer
