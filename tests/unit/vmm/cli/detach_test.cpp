#include "src/vmm/cli/detach.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/scratch_directory.h"

namespace veneer {
namespace {

using ::testing::HasSubstr;
using ::testing::internal::CaptureStderr;
using ::testing::internal::CaptureStdout;
using ::testing::internal::GetCapturedStderr;
using ::testing::internal::GetCapturedStdout;

void Complain(std::string_view text) {
  static_cast<void>(!write(STDERR_FILENO, text.data(), text.size()));
}

// By which a process that nobody waits for tells how it has fared.
class Channel {
 public:
  Channel() {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    from_.Reset(ends[0]);
    to_.Reset(ends[1]);
  }
  void Tell(std::string_view text) const {
    static_cast<void>(!write(to_.get(), text.data(), text.size()));
  }
  // What one Tell() has said.
  std::string Hear() const {
    constexpr int kLimitMs = 30'000;
    std::array<char, 256> buffer;
    pollfd readable{from_.get(), POLLIN, 0};
    if (poll(&readable, 1, kLimitMs) != 1) {
      return "<nothing>";
    }
    const ssize_t count = read(from_.get(), buffer.data(), buffer.size());
    return {buffer.data(), count > 0 ? static_cast<std::size_t>(count) : 0};
  }

 private:
  UniqueFd from_;
  UniqueFd to_;
};

std::string TargetOf(int fd) {
  return std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd));
}

TEST(Detach, TellsWhatGoesWrongBeforeTheGuestRuns) {
  CaptureStderr();
  const Detached detached = Detached::Make("").value();
  if (detached.background) {
    Complain("no such kernel\n");
    _exit(2);
  }
  EXPECT_EQ(GetCapturedStderr(), "no such kernel\n");
  EXPECT_EQ(detached.exit_code, 2);
}

TEST(Detach, TellsOfASignalAsAShellDoes) {
  const Detached detached = Detached::Make("").value();
  if (detached.background) {
    kill(getpid(), SIGKILL);
  }
  EXPECT_EQ(detached.exit_code, 128 + SIGKILL);
}

TEST(Detach, PrintsTheNameOnceTheGuestRuns) {
  const Channel channel;
  CaptureStdout();
  CaptureStderr();
  Detached detached = Detached::Make("").value();
  if (detached.background) {
    Complain("a warning\n");
    const bool begun = detached.background->Begin("web").has_value();
    std::string report = begun && getsid(0) == getpid() ? "alone" : "not alone";
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
      report += " " + TargetOf(fd);
    }
    channel.Tell(report);
    _exit(0);
  }
  EXPECT_EQ(GetCapturedStdout(), "web\n");
  EXPECT_EQ(GetCapturedStderr(), "a warning\n");
  EXPECT_EQ(detached.exit_code, 0);
  EXPECT_EQ(channel.Hear(), "alone /dev/null /dev/null /dev/null");
}

TEST(Detach, LeavesTheLogsFileAsStandardError) {
  const test::ScratchDirectory scratch;
  const std::string log = scratch.File("log");
  const Channel channel;
  CaptureStdout();
  Detached detached = Detached::Make(log).value();
  if (detached.background) {
    static_cast<void>(detached.background->Begin("web"));
    Complain("last words\n");
    channel.Tell("said");
    _exit(0);
  }
  EXPECT_EQ(GetCapturedStdout(), "web\n");
  EXPECT_EQ(channel.Hear(), "said");
  std::ifstream file(log);
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), "last words\n");
}

TEST(Detach, SaysWhereTheReasonIs) {
  const test::ScratchDirectory scratch;
  CaptureStderr();
  const Detached detached = Detached::Make(scratch.File("log")).value();
  if (detached.background) {
    _exit(1);
  }
  EXPECT_THAT(GetCapturedStderr(), HasSubstr(scratch.File("log") + "' says why"));
  EXPECT_EQ(detached.exit_code, 1);
}

TEST(Detach, NobodyRunsOnForSomebodyWhoIsGone) {
  const Channel ready;
  const Channel go;
  const Channel report;
  const pid_t front = fork();
  if (front == 0) {
    Detached detached = Detached::Make("").value();
    if (detached.background) {
      static_cast<void>(signal(SIGPIPE, SIG_IGN));
      ready.Tell("ready");
      static_cast<void>(go.Hear());
      const auto begun = detached.background->Begin("web");
      report.Tell(begun ? "runs" : begun.error().message);
    }
    _exit(0);
  }
  EXPECT_EQ(ready.Hear(), "ready");
  kill(front, SIGKILL);
  EXPECT_EQ(waitpid(front, nullptr, 0), front);
  go.Tell("go");
  EXPECT_THAT(report.Hear(), HasSubstr("is gone"));
}

}  // namespace
}  // namespace veneer
