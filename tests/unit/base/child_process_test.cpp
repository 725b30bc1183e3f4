// Programs that Veneer runs: what they get, what is kept of them, and when they end.

#include "veneer/base/child_process.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace veneer {
namespace {

using ::testing::HasSubstr;

Result<std::unique_ptr<ChildProcess>> Shell(const std::string& script, int listener = -1) {
  return ChildProcess::Start({"/bin/sh", {"-c", script}, listener});
}

TEST(ChildProcess, KeepsWhatItWrites) {
  auto child = Shell("echo one; echo two >&2; exit 3");
  ASSERT_TRUE(child.has_value()) << child.error().message;
  const ChildProcess::Outcome& outcome = (*child)->Wait();
  EXPECT_EQ(outcome.output, "one\n");
  EXPECT_EQ(outcome.complaint, "two\n");
  EXPECT_FALSE(outcome.succeeded());
  EXPECT_EQ(WEXITSTATUS(outcome.status), 3);
}

TEST(ChildProcess, AProgramThatIsNone) {
  const auto child = ChildProcess::Start({"/nonexistent/program", {}, -1});
  ASSERT_FALSE(child.has_value());
  EXPECT_THAT(child.error().message, HasSubstr("cannot start /nonexistent/program: No such file"));
  EXPECT_THAT(FindProgram("veneer-nonexistent", "some-package").error().message,
              HasSubstr("the program veneer-nonexistent is missing; install Debian's package "
                        "some-package"));
}

TEST(ChildProcess, GetsAListenerAndNothingElse) {
  const UniqueFd listener(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const UniqueFd leaked(fcntl(listener.get(), F_DUPFD, 20));  // left open for programs to inherit
  auto child = Shell(
      "[ $LISTEN_PID = $$ ] && [ $LISTEN_FDS = 1 ] && [ -e /proc/$$/fd/3 ] && "
      "[ ! -e /proc/$$/fd/20 ] && echo right",
      listener.get());
  ASSERT_TRUE(child.has_value()) << child.error().message;
  EXPECT_EQ((*child)->Wait().output, "right\n");
}

TEST(ChildProcess, HasASessionOfItsOwnAndIsAskedToEnd) {
  std::unique_ptr<ChildProcess> child = Shell("exec sleep 1000").value();
  EXPECT_EQ(getsid(child->pid()), child->pid());
  child->Terminate();
  const int status = child->Wait().status;
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
  child->Terminate();  // has no effect any more
  // The destructor asks, too.
  const pid_t pid = Shell("exec sleep 1000").value()->pid();
  EXPECT_EQ(kill(pid, 0), -1);
}

}  // namespace
}  // namespace veneer
