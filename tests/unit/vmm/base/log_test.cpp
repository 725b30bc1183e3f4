#include "veneer/vmm/base/log.h"

#include <atomic>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/scratch_directory.h"
#include "support/units.h"

namespace veneer {
namespace {

int CountAllowed(LogLimiter& limiter, std::uint64_t now_ns, int attempts) {
  int allowed = 0;
  for (int i = 0; i < attempts; ++i) {
    std::uint64_t suppressed = 0;
    allowed += limiter.Allow(now_ns, &suppressed) ? 1 : 0;
  }
  return allowed;
}

TEST(LogLimiter, LetsThroughTheBurstAndNoMore) {
  LogLimiter limiter;
  EXPECT_EQ(CountAllowed(limiter, 3 * kSecond, 1000), static_cast<int>(LogLimiter::kBurst));
}

TEST(LogLimiter, RefillsAtItsRate) {
  LogLimiter limiter;
  CountAllowed(limiter, kSecond, 1000);
  EXPECT_EQ(CountAllowed(limiter, 2 * kSecond, 1000), static_cast<int>(LogLimiter::kPerSecond));
  EXPECT_EQ(CountAllowed(limiter, 2 * kSecond, 1000), 0);
  EXPECT_EQ(CountAllowed(limiter, 3 * kSecond - 1, 1000), 1);
}

TEST(LogLimiter, NeverSavesUpMoreThanTheBurst) {
  LogLimiter limiter;
  CountAllowed(limiter, kSecond, 1000);
  EXPECT_EQ(CountAllowed(limiter, 100'000 * kSecond, 1000), static_cast<int>(LogLimiter::kBurst));
}

TEST(LogLimiter, SaysHowManyWereHeldBack) {
  LogLimiter limiter;
  CountAllowed(limiter, kSecond, static_cast<int>(LogLimiter::kBurst) + 7);
  std::uint64_t suppressed = 0;
  ASSERT_TRUE(limiter.Allow(10 * kSecond, &suppressed));
  EXPECT_EQ(suppressed, 7U);
  ASSERT_TRUE(limiter.Allow(10 * kSecond, &suppressed));
  EXPECT_EQ(suppressed, 0U);
}

TEST(LogLimiter, ThreadsShareOneBurst) {
  LogLimiter limiter;
  std::atomic<int> allowed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] { allowed += CountAllowed(limiter, kSecond, 100); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(allowed, static_cast<int>(LogLimiter::kBurst));
}

TEST(Log, ParsesEveryLevelAndRefusesTheRest) {
  EXPECT_EQ(ParseLogLevel("trace"), LogLevel::kTrace);
  EXPECT_EQ(ParseLogLevel("debug"), LogLevel::kDebug);
  EXPECT_EQ(ParseLogLevel("info"), LogLevel::kInfo);
  EXPECT_EQ(ParseLogLevel("warning"), LogLevel::kWarning);
  EXPECT_EQ(ParseLogLevel("error"), LogLevel::kError);
  EXPECT_EQ(ParseLogLevel("off"), LogLevel::kOff);
  for (const char* bad : {"", "INFO", "warn", "info "}) {
    const Result<LogLevel> level = ParseLogLevel(bad);
    ASSERT_FALSE(level) << bad;
    EXPECT_EQ(level.error().kind, ErrorKind::kUsage);
  }
}

TEST(Log, RefusesAFileThatCannotBeMade) {
  const Result<void> result = ConfigureLog(LogLevel::kInfo, "/dev/null/log");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::kHost);
  EXPECT_NE(result.error().message.find("/dev/null/log"), std::string::npos);
}

TEST(Log, WritesToAFileWhatReachesTheLevel) {
  const test::ScratchDirectory scratch;
  const std::string path = scratch.File("log");
  ASSERT_TRUE(ConfigureLog(LogLevel::kWarning, path));
  EXPECT_FALSE(LogEnabled(LogLevel::kInfo));
  EXPECT_TRUE(LogEnabled(LogLevel::kError));
  LogInfo("too low {}", 1);
  LogWarning("just {} {}", "right", 2);
  LogLimiter limiter;
  LogGuest(limiter, "guest wrote {:#x}", 0xbeef);
  ASSERT_TRUE(ConfigureLog(LogLevel::kOff, ""));
  LogError("after off");
  EXPECT_FALSE(LogEnabled(LogLevel::kError));

  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str().find("too low"), std::string::npos);
  EXPECT_NE(text.str().find("warning: just right 2\n"), std::string::npos);
  EXPECT_NE(text.str().find("warning: guest wrote 0xbeef\n"), std::string::npos);
  EXPECT_EQ(text.str().find("after off"), std::string::npos);
  ASSERT_TRUE(ConfigureLog(LogLevel::kInfo, ""));
}

}  // namespace
}  // namespace veneer
