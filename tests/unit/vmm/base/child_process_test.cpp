// Programs that Veneer runs: what they get, what is kept of them, and when they end.

#include "veneer/vmm/base/child_process.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
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

TEST(ChildProcess, OneThatWasStoppedIsMadeToEnd) {
  auto child = Shell("echo here; kill -STOP $$");
  ASSERT_TRUE(child.has_value()) << child.error().message;
  siginfo_t news{};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>((*child)->pid()), &news, WSTOPPED | WNOWAIT), 0);
  (*child)->End();
  const ChildProcess::Outcome& outcome = (*child)->Wait();
  EXPECT_TRUE(WIFSIGNALED(outcome.status));
  EXPECT_EQ(WTERMSIG(outcome.status), SIGKILL);
  EXPECT_EQ(outcome.output, "here\n");
}

TEST(ChildProcess, OneThatDoesNotListenIsMadeToEnd) {
  auto child = Shell("trap '' TERM; exec sleep 1000");
  ASSERT_TRUE(child.has_value()) << child.error().message;
  child->reset();
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

TEST(ChildProcess, ADialogueIsBothItsInputAndItsOutput) {
  std::array<int, 2> ends{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  const UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  auto child = ChildProcess::Start({.program = "/bin/sh",
                                    .arguments = {"-c", "read a; echo got $a; echo also >&2"},
                                    .dialogue = theirs.get()});
  ASSERT_TRUE(child.has_value()) << child.error().message;
  theirs.Reset();
  ASSERT_EQ(write(ours.get(), "it\n", 3), 3);
  const ChildProcess::Outcome& outcome = (*child)->Wait();
  EXPECT_EQ(outcome.output, "");
  EXPECT_EQ(outcome.complaint, "also\n");
  std::array<char, 16> answer{};
  EXPECT_EQ(read(ours.get(), answer.data(), answer.size()), 7);
  EXPECT_STREQ(answer.data(), "got it\n");
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
