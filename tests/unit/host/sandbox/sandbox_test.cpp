// What a thread that has been taken over gets from the host's kernel: each call is made, in a
// process of its own.
#include "veneer/host/sandbox/sandbox.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "confined_process.h"
#include "src/host/sandbox/rights.h"
#include "veneer/vmm/base/child_process.h"
#include "veneer/vmm/base/event_fd.h"
#include "veneer/vmm/base/event_loop.h"

namespace veneer {
namespace {

using testing::Ending;
using ::testing::HasSubstr;
using testing::InSandbox;
using testing::OnThread;

class Sandbox : public ::testing::Test {
 protected:
  void SetUp() override {
#ifdef VENEER_NO_FILTERS
    GTEST_SKIP() << "a sanitizer's build has no filters";
#endif
    if (!HostFiltersCalls()) {
      GTEST_SKIP() << "this host's kernel does not filter system calls";
    }
  }
};

bool Open() { return open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0; }
bool Create() { return open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) >= 0; }
bool Execute() {
  execl("/bin/true", "true", nullptr);
  return false;
}
bool Connect() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in nobody{};
  nobody.sin_family = AF_INET;
  nobody.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  nobody.sin_port = htons(9);
  static_cast<void>(connect(fd, reinterpret_cast<const sockaddr*>(&nobody), sizeof nobody));
  return fd >= 0;
}
bool Trace() { return ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0; }
bool Mount() { return mount("none", "/tmp", "tmpfs", 0, nullptr) == 0; }
bool LoadProgram() { return syscall(SYS_bpf, BPF_PROG_LOAD, nullptr, 0) == 0; }
bool Fork() { return fork() >= 0; }
bool KillOthers() { return kill(1, 0) == 0; }
bool TypeOnTerminal() { return ioctl(0, 0x5412 /* TIOCSTI */, "x") == 0; }
bool MakeCode() {
  return mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
         MAP_FAILED;
}
bool MakeMachine() { return ioctl(0, 0xae01 /* KVM_CREATE_VM */, 0) >= 0; }

struct Attempt {
  const char* call;  // in the line that tells of it
  bool (*act)();
};
constexpr Attempt kOpen{"openat", &Open};
constexpr Attempt kCreate{"openat", &Create};
constexpr Attempt kExecute{"execve", &Execute};
constexpr Attempt kConnect{"socket", &Connect};
constexpr Attempt kTrace{"ptrace", &Trace};
constexpr Attempt kMount{"mount", &Mount};
constexpr Attempt kLoadProgram{"bpf", &LoadProgram};
constexpr Attempt kFork{"clone", &Fork};
constexpr Attempt kKillOthers{"kill", &KillOthers};
constexpr Attempt kTypeOnTerminal{"ioctl", &TypeOnTerminal};
constexpr Attempt kMakeCode{"mmap", &MakeCode};
constexpr Attempt kMakeMachine{"ioctl", &MakeMachine};

void ExpectRefused(const Ending& ending, const char* thread, const char* call) {
  EXPECT_TRUE(ending.refused()) << thread << " has called " << call << ": " << ending.status;
  EXPECT_THAT(ending.said, HasSubstr(std::string("sandbox: ") + thread + " has called " + call));
}

TEST_F(Sandbox, EachKindOfThreadIsStopped) {
  struct Case {
    ThreadKind kind;
    const char* thread;
    std::vector<Attempt> attempts;
  };
  const std::vector<Attempt> all{kOpen,           kCreate,   kExecute,     kConnect,
                                 kTrace,          kMount,    kFork,        kKillOthers,
                                 kTypeOnTerminal, kMakeCode, kMakeMachine, kLoadProgram};
  const std::vector<Case> cases{
      {ThreadKind::kVcpu, "a vCPU's thread", all},
      {ThreadKind::kPvmVcpu, "a vCPU's thread", {kOpen, kExecute, kConnect, kTrace, kMount}},
      {ThreadKind::kDisk, "a disk's thread", all},
      {ThreadKind::kNet, "a NIC's thread", all},
      {ThreadKind::kUserNet,
       "a user-mode network's thread",
       {kCreate, kExecute, kTrace, kMount, kFork, kKillOthers, kTypeOnTerminal, kMakeCode,
        kMakeMachine, kLoadProgram}},
      {ThreadKind::kOutput,
       "an output's thread",
       {kExecute, kConnect, kTrace, kMount, kFork, kKillOthers, kMakeCode, kLoadProgram}}};
  for (const Case& one : cases) {
    for (const Attempt& attempt : one.attempts) {
      ExpectRefused(OnThread(one.kind, attempt.act), one.thread, attempt.call);
    }
  }
}

TEST_F(Sandbox, TheMainThreadOpensAndConnectsButRunsNoProgram) {
  for (const Attempt& attempt :
       {kExecute, kTrace, kMount, kFork, kKillOthers, kTypeOnTerminal, kLoadProgram}) {
    ExpectRefused(InSandbox(attempt.act), "the main thread", attempt.call);
  }
  EXPECT_TRUE(InSandbox(&Open).good());
  EXPECT_TRUE(InSandbox(&Create).good());
  EXPECT_TRUE(InSandbox(&Connect).good());
}

// What every thread does, whatever it is for.
bool LiveAndWork() {
  const Result<EventFd> event = EventFd::Create();
  if (!event) {
    return false;
  }
  event->Signal();
  event->Drain();
  std::vector<std::vector<char>> memory;
  for (int i = 0; i < 64; ++i) {
    memory.emplace_back(std::size_t{1} << 18U, 'x');
  }
  try {
    throw std::runtime_error("as std::thread does");
  } catch (const std::runtime_error&) {
    memory.clear();
  }
  timespec soon{0, 1};
  return nanosleep(&soon, nullptr) == 0;
}

TEST_F(Sandbox, WhatThreadsNeedTheyGet) {
  for (const ThreadKind kind :
       {ThreadKind::kHelper, ThreadKind::kVcpu, ThreadKind::kPvmVcpu, ThreadKind::kDisk,
        ThreadKind::kNet, ThreadKind::kUserNet, ThreadKind::kOutput, ThreadKind::kKeeper}) {
    const Ending ending = OnThread(kind, &LiveAndWork);
    EXPECT_TRUE(ending.good()) << static_cast<int>(kind) << ' ' << ending.said;
  }
  EXPECT_TRUE(OnThread(ThreadKind::kUserNet, &Connect).good());
  EXPECT_TRUE(OnThread(ThreadKind::kUserNet, &Open).good());
  EXPECT_TRUE(OnThread(ThreadKind::kOutput, &Create).good());
}

TEST_F(Sandbox, AbortEndsAsItDoesElsewhere) {
  const Ending ending = OnThread(ThreadKind::kVcpu, []() -> bool { std::abort(); });
  EXPECT_TRUE(WIFSIGNALED(ending.status) && WTERMSIG(ending.status) == SIGABRT) << ending.said;
}

TEST_F(Sandbox, ProgramsRunButHaveNoPowerOverTheHost) {
  const auto run = [](const std::string& script) {
    return InSandbox([&] {
      auto child = ChildProcess::Start({.program = "/bin/sh", .arguments = {"-c", script}});
      return child && (*child)->Wait().succeeded();
    });
  };
  EXPECT_TRUE(run("ls / >/dev/null; echo done").good());
  EXPECT_FALSE(run("exec unshare --mount true").good());
}

TEST_F(Sandbox, AnOutputsThreadCanBeAskedForByAVcpus) {
  EXPECT_TRUE(OnThread(ThreadKind::kVcpu, [] {
                bool good = false;
                Result<std::thread> thread =
                    StartThread(ThreadKind::kOutput, "output", [&good] { good = Create(); });
                if (thread) {
                  thread->join();
                }
                return good;
              }).good());
}

TEST_F(Sandbox, AuditRefusesNothing) {
  EXPECT_TRUE(OnThread(ThreadKind::kVcpu, &Open, SandboxMode::kAudit).good());
  EXPECT_TRUE(OnThread(ThreadKind::kDisk, &Connect, SandboxMode::kAudit).good());
}

TEST_F(Sandbox, OffChangesNothing) { EXPECT_TRUE(InSandbox(&Fork, SandboxMode::kOff).good()); }

std::map<std::string, std::string> Status() {
  std::map<std::string, std::string> facts;
  std::ifstream file("/proc/thread-self/status");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(":\t");
    if (colon != std::string::npos) {
      facts[line.substr(0, colon)] = line.substr(colon + 2);
    }
  }
  return facts;
}

TEST_F(Sandbox, RightsAreGivenUp) {
  EXPECT_TRUE(InSandbox([] {
                rlimit core{};
                return Status()["NoNewPrivs"] == "1" && !CanMakeTaps() &&
                       getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0;
              }).good());
  // A user-mode network's thread can read its own status.
  EXPECT_TRUE(OnThread(ThreadKind::kUserNet, [] {
                auto facts = Status();
                return facts["NoNewPrivs"] == "1" && facts["CapEff"] == "0000000000000000" &&
                       facts["CapPrm"] == "0000000000000000";
              }).good());
}

TEST_F(Sandbox, TheRightToMakeTapsStaysForWhoHasTaps) {
  if (!CanMakeTaps()) {
    GTEST_SKIP() << "needs CAP_NET_ADMIN";
  }
  EXPECT_TRUE(InSandbox(&CanMakeTaps, SandboxMode::kOn, {.taps = true}).good());
}

// What of root's is left to another user, whom it has become before it entered the sandbox.
TEST_F(Sandbox, RootBecomesAnotherUser) {
  if (geteuid() != 0) {
    GTEST_SKIP() << "needs root";
  }
  const auto as_nobody = [](SandboxNeeds needs, const std::function<bool()>& check) {
    return InSandbox(
        [&] {
          return BecomeUser("65534", needs).has_value() && geteuid() != 0 && setuid(0) != 0 &&
                 getgroups(0, nullptr) <= 1 &&
                 UniqueFd(open("/proc/self/fd", O_RDONLY | O_CLOEXEC)).valid() &&
                 open("/etc/shadow", O_RDONLY) < 0 && EnterSandbox(SandboxMode::kOn, needs) &&
                 check();
        },
        SandboxMode::kOff);
  };
  EXPECT_TRUE(as_nobody({}, [] { return !CanMakeTaps(); }).good());
  SandboxNeeds taps;
  taps.taps = true;
  EXPECT_EQ(as_nobody(taps, &CanMakeTaps).good(), CanMakeTaps());
  EXPECT_TRUE(InSandbox(
                  [] {
                    SandboxNeeds scripts;
                    scripts.scripts = true;
                    return !BecomeUser("65534", scripts) && !BecomeUser("no-such-user", {}) &&
                           !BecomeUser("0", {}) && geteuid() == 0;
                  },
                  SandboxMode::kOff)
                  .good());
}

TEST_F(Sandbox, AScriptOfTheUsersKeepsItsRights) {
  const SandboxNeeds needs{.taps = true, .scripts = true};
  EXPECT_TRUE(InSandbox(
                  [] {
                    auto child = ChildProcess::Start(
                        {.program = "/bin/sh",
                         .arguments = {"-c", "grep -q '^NoNewPrivs:.0' /proc/self/status"}});
                    return child && (*child)->Wait().succeeded();
                  },
                  SandboxMode::kOn, needs)
                  .good());
}

}  // namespace
}  // namespace veneer
