#include "src/vmm/cli/terminal.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "veneer/vmm/base/unique_fd.h"

namespace veneer {
namespace {

class EscapeParserTest : public ::testing::Test {
 protected:
  std::string Type(std::string_view keys) {
    const auto output = parser_.Filter(std::as_bytes(std::span(keys)));
    std::string text;
    for (const std::byte byte : output) {
      text.push_back(static_cast<char>(byte));
    }
    return text;
  }

  int quits_ = 0;
  int presses_ = 0;
  int helps_ = 0;
  EscapeParser parser_{{.quit = [this] { ++quits_; },
                        .power_button = [this] { ++presses_; },
                        .help = [this] { ++helps_; }}};
};

TEST_F(EscapeParserTest, PassesOrdinaryKeysThrough) {
  EXPECT_EQ(Type("ls -l\r\x03\x1b[A"), "ls -l\r\x03\x1b[A");
}

TEST_F(EscapeParserTest, QuitsOnCtrlAX) {
  EXPECT_EQ(Type("a\x01xb"), "ab");
  EXPECT_EQ(quits_, 1);
}

TEST_F(EscapeParserTest, KnowsSequencesThatArriveInPieces) {
  EXPECT_EQ(Type("\x01"), "");
  EXPECT_EQ(Type("x"), "");
  EXPECT_EQ(quits_, 1);
}

TEST_F(EscapeParserTest, PressesThePowerButtonAndHelps) {
  EXPECT_EQ(Type("\x01p\x01h\x01?"), "");
  EXPECT_EQ(presses_, 1);
  EXPECT_EQ(helps_, 2);
  EXPECT_EQ(quits_, 0);
}

TEST_F(EscapeParserTest, SendsCtrlAWhenTypedTwice) {
  EXPECT_EQ(Type("\x01\x01\x01"
                 "a"),
            "\x01\x01");
}

TEST_F(EscapeParserTest, SwallowsUnknownEscapes) {
  EXPECT_EQ(Type("\x01zq"), "q");
  EXPECT_EQ(quits_ + presses_ + helps_, 0);
}

// A shell with one job on a terminal of its own. All is done in processes of their own; the exit
// status says what the shell has seen.
class JobOnATerminal {
 public:
  // `job` runs with the terminal as its standard input.
  explicit JobOnATerminal(void (*job)()) : job_(job) {
    master_.Reset(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    EXPECT_EQ(grantpt(master_.get()), 0);
    EXPECT_EQ(unlockpt(master_.get()), 0);
    name_ = ptsname(master_.get());
  }

  // What the shell does once its job runs; its return value is the exit status.
  int Run(int (*shell)(pid_t job)) const {
    const pid_t pid = fork();
    if (pid == 0) {
      setsid();
      const int terminal = open(name_.c_str(), O_RDWR);  // becomes the controlling one
      dup2(terminal, STDIN_FILENO);
      static_cast<void>(signal(SIGTTOU, SIG_IGN));
      const pid_t job = fork();
      if (job == 0) {
        static_cast<void>(signal(SIGTTOU, SIG_DFL));
        setpgid(0, 0);
        // Whoever is first: the job must have the terminal before it looks at it.
        sigset_t stop;
        sigemptyset(&stop);
        sigaddset(&stop, SIGTTOU);
        sigprocmask(SIG_BLOCK, &stop, nullptr);
        tcsetpgrp(STDIN_FILENO, getpid());
        sigprocmask(SIG_UNBLOCK, &stop, nullptr);
        job_();
        _exit(0);
      }
      setpgid(job, job);
      _exit(shell(job));
    }
    int status = 0;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  void (*const job_)();
  UniqueFd master_;
  std::string name_;
};

bool TerminalIsRaw() {
  termios settings{};
  tcgetattr(STDIN_FILENO, &settings);
  return (settings.c_lflag & ICANON) == 0;
}

void BlockSigtstp() {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTSTP);
  sigprocmask(SIG_BLOCK, &stop, nullptr);
}

TEST(RawTerminal, IsCookedWhileStoppedAndRawAgainAfterwards) {
  const JobOnATerminal terminal([] {
    BlockSigtstp();
    bool raw_twice = false;
    {
      RawTerminal raw;
      raw_twice = raw.active() && TerminalIsRaw();
      raw.Suspend();
      raw_twice = raw_twice && raw.active() && TerminalIsRaw();
    }
    _exit(raw_twice ? 7 : 8);
  });
  EXPECT_EQ(terminal.Run([](pid_t job) {
    int status = 0;
    waitpid(job, &status, WUNTRACED);
    const bool stopped = WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP && !TerminalIsRaw();
    kill(job, SIGCONT);
    waitpid(job, &status, 0);
    const bool raw_again = WIFEXITED(status) && WEXITSTATUS(status) == 7;
    return stopped && raw_again && !TerminalIsRaw() ? 0 : 1;
  }),
            0);
}

// SIGSTOP cannot be caught: the shell sets the terminal, and only SIGCONT is told of.
TEST(RawTerminal, IsRawAgainAfterAStopThatNobodyWasToldOf) {
  const JobOnATerminal terminal([] {
    RawTerminal raw;
    kill(getpid(), SIGSTOP);
    raw.Continue();
    _exit(TerminalIsRaw() ? 7 : 8);
  });
  EXPECT_EQ(terminal.Run([](pid_t job) {
    termios cooked{};
    int status = 0;
    waitpid(job, &status, WUNTRACED);
    tcgetattr(STDIN_FILENO, &cooked);
    cooked.c_lflag |= ICANON | ECHO;
    tcsetattr(STDIN_FILENO, TCSANOW, &cooked);
    kill(job, SIGCONT);
    waitpid(job, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 7 ? 0 : 1;
  }),
            0);
}

TEST(RawTerminal, LeavesTheTerminalAloneInTheBackground) {
  const JobOnATerminal terminal([] {
    tcsetpgrp(STDIN_FILENO, getppid());
    RawTerminal raw;
    raw.Continue();
    _exit(!raw.active() && !TerminalIsRaw() ? 7 : 8);
  });
  EXPECT_EQ(terminal.Run([](pid_t job) {
    int status = 0;
    waitpid(job, &status, WUNTRACED);
    return WIFEXITED(status) && WEXITSTATUS(status) == 7 ? 0 : 1;
  }),
            0);
}

template <int kSignal>
void DieRaw() {
  const RawTerminal raw;
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  raise(kSignal);
}

TEST(RawTerminal, EverySignalThatEndsTheProgramRestoresIt) {
  const struct {
    int number;
    void (*job)();
  } cases[] = {{SIGQUIT, DieRaw<SIGQUIT>},
               {SIGALRM, DieRaw<SIGALRM>},
               {SIGUSR1, DieRaw<SIGUSR1>},
               {SIGABRT, DieRaw<SIGABRT>},
               {SIGSYS, DieRaw<SIGSYS>}};
  for (const auto& [number, job] : cases) {
    const JobOnATerminal terminal(job);
    EXPECT_EQ(terminal.Run([](pid_t pid) {
      int status = 0;
      waitpid(pid, &status, 0);
      return WIFSIGNALED(status) && !TerminalIsRaw() ? WTERMSIG(status) : 0;
    }),
              number);
  }
}

}  // namespace
}  // namespace veneer
