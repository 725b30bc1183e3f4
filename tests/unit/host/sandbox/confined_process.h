// Does something in a process of its own that has entered the sandbox.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "veneer/host/sandbox/sandbox.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer::testing {

struct Ending {
  int status = 0;    // as from waitpid(2)
  std::string said;  // on stderr
  bool good() const { return WIFEXITED(status) && WEXITSTATUS(status) == 0; }
  bool refused() const { return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS; }
};

// Where threads that may make files can do so.
inline SandboxNeeds UsualNeeds() {
  SandboxNeeds needs;
  needs.files = {{"/tmp", FileUse::kReplace}};
  return needs;
}

// `act` runs on the main thread, confined; what it returns is whether all went well.
inline Ending InSandbox(const std::function<bool()>& act, SandboxMode mode = SandboxMode::kOn,
                        const SandboxNeeds& needs = UsualNeeds()) {
  std::array<int, 2> ends{};
  EXPECT_EQ(pipe(ends.data()), 0);
  const UniqueFd in(ends[0]);
  UniqueFd out(ends[1]);
  const pid_t child = fork();
  if (child == 0) {
    dup2(out.get(), STDERR_FILENO);
    const auto entered = EnterSandbox(mode, needs);
    if (!entered) {
      _exit(2);
    }
    _exit(act() ? 0 : 1);
  }
  out.Reset();
  Ending ending;
  std::array<char, 512> text{};
  for (ssize_t count = 0; (count = read(in.get(), text.data(), text.size())) > 0;) {
    ending.said.append(text.data(), static_cast<std::size_t>(count));
  }
  EXPECT_EQ(waitpid(child, &ending.status, 0), child);
  return ending;
}

// The same on a thread of this kind.
inline Ending OnThread(ThreadKind kind, const std::function<bool()>& act,
                       SandboxMode mode = SandboxMode::kOn) {
  return InSandbox(
      [&] {
        bool good = false;
        Result<std::thread> thread = StartThread(kind, "tested", [&] { good = act(); });
        if (!thread) {
          return false;
        }
        thread->join();
        return good;
      },
      mode);
}

}  // namespace veneer::testing
