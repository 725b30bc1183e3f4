// The files that are left to a process: each attempt is made in a process of its own.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>

#include <gtest/gtest.h>

#include "confined_process.h"
#include "support/scratch_directory.h"
#include "veneer/vmm/base/child_process.h"
#include "veneer/vmm/base/unix_socket.h"

namespace veneer {
namespace {

using testing::Ending;
using testing::InSandbox;

class SandboxFiles : public ::testing::Test {
 protected:
  void SetUp() override {
#ifdef VENEER_NO_FILTERS
    GTEST_SKIP() << "a sanitizer's build confines nothing";
#endif
    if (!HostConfinesFiles()) {
      GTEST_SKIP() << "this host's kernel has no Landlock";
    }
    for (const char* name : {"one", "other"}) {
      std::ofstream(scratch_.File(name)) << "content";
    }
    ASSERT_EQ(mkdir(scratch_.File("empty").c_str(), 0700), 0);
    for (const char* name : {"folder", "elsewhere"}) {
      ASSERT_EQ(mkdir(scratch_.File(name).c_str(), 0700), 0);
      std::ofstream(scratch_.File(name) + "/there") << "content";
    }
  }
  static bool Opens(const std::string& path, int flags) {
    return UniqueFd(open(path.c_str(), flags | O_CLOEXEC, 0600)).valid();
  }
  std::string In(const char* folder, const char* name) const {
    return scratch_.File(folder) + "/" + name;
  }
  // Whether `act` goes well where `path` is left for this use.
  Ending With(const std::string& path, FileUse use, const std::function<bool()>& act) const {
    SandboxNeeds needs;
    needs.files = {{path, use}};
    return InSandbox(act, SandboxMode::kOn, needs);
  }
  const test::ScratchDirectory scratch_;
};

TEST_F(SandboxFiles, OneIsReadAndNoOther) {
  const Ending ending = With(scratch_.File("one"), FileUse::kRead, [&] {
    return Opens(scratch_.File("one"), O_RDONLY) && !Opens(scratch_.File("one"), O_WRONLY) &&
           !Opens(scratch_.File("other"), O_RDONLY) && errno == EACCES &&
           !Opens(scratch_.File("new"), O_WRONLY | O_CREAT) && !Opens("/root", O_RDONLY);
  });
  EXPECT_TRUE(ending.good()) << ending.said;
}

TEST_F(SandboxFiles, OneIsWrittenButNotReplaced) {
  const Ending ending = With(scratch_.File("one"), FileUse::kWrite, [&] {
    return Opens(scratch_.File("one"), O_RDWR | O_TRUNC) &&
           rename(scratch_.File("one").c_str(), scratch_.File("two").c_str()) != 0 &&
           unlink(scratch_.File("one").c_str()) != 0;
  });
  EXPECT_TRUE(ending.good()) << ending.said;
}

TEST_F(SandboxFiles, WhatIsKeptBackIsKnownFromWhatIsMissing) {
  const Ending ending = With(scratch_.File("one"), FileUse::kRead, [&] {
    return IsKeptFrom(scratch_.File("other")) && !IsKeptFrom(scratch_.File("one")) &&
           !IsKeptFrom(scratch_.File("none"));
  });
  EXPECT_TRUE(ending.good()) << ending.said;
}

TEST_F(SandboxFiles, FilesAreMadeAndReplacedInOneFolder) {
  const Ending ending = With(scratch_.File("folder"), FileUse::kReplace, [&] {
    return Opens(In("folder", "new"), O_WRONLY | O_CREAT | O_EXCL) &&
           rename(In("folder", "new").c_str(), In("folder", "there").c_str()) == 0 &&
           rename(In("folder", "there").c_str(), In("elsewhere", "there").c_str()) != 0 &&
           !Opens(In("elsewhere", "new"), O_WRONLY | O_CREAT) &&
           mkdir(In("folder", "deeper").c_str(), 0700) != 0;
  });
  EXPECT_TRUE(ending.good()) << ending.said;
}

TEST_F(SandboxFiles, EmptyFoldersAreRemoved) {
  const Ending ending = With(scratch_.path(), FileUse::kEmptyFolders, [&] {
    return rmdir(scratch_.File("elsewhere").c_str()) != 0 &&
           unlink(In("elsewhere", "there").c_str()) != 0 &&
           rmdir(scratch_.File("empty").c_str()) == 0;
  });
  EXPECT_TRUE(ending.good()) << ending.said;
}

TEST_F(SandboxFiles, SocketsAreMadeInOneFolder) {
  const Ending ending = With(scratch_.File("folder"), FileUse::kSockets, [&] {
    return ListenAt(In("folder", "socket")).has_value() &&
           unlink(In("folder", "socket").c_str()) == 0 &&
           !ListenAt(In("elsewhere", "socket")).has_value() &&
           !Opens(In("folder", "there"), O_RDONLY);
  });
  EXPECT_TRUE(ending.good()) << ending.said;
}

TEST_F(SandboxFiles, WhatEverybodyNeedsIsThere) {
  const Ending ending = With(scratch_.File("one"), FileUse::kRead, [&] {
    return Opens("/dev/null", O_RDWR) && Opens("/proc/self/status", O_RDONLY) &&
           Opens("/etc/passwd", O_RDONLY) && !Opens("/etc/passwd", O_RDWR);
  });
  EXPECT_TRUE(ending.good()) << ending.said;
}

TEST_F(SandboxFiles, ProgramsAreConfinedToo) {
  const auto run = [&](const std::string& script) {
    return With(scratch_.File("one"), FileUse::kRead, [&] {
      auto child = ChildProcess::Start({.program = "/bin/sh", .arguments = {"-c", script}});
      return child && (*child)->Wait().succeeded();
    });
  };
  EXPECT_TRUE(run("cat " + scratch_.File("one")).good());
  EXPECT_FALSE(run("cat " + scratch_.File("other")).good());
}

TEST_F(SandboxFiles, AUsersScriptIsNot) {
  SandboxNeeds needs;
  needs.scripts = true;
  const Ending ending = InSandbox(
      [&] {
        auto child = ChildProcess::Start(
            {.program = "/bin/sh", .arguments = {"-c", "cat " + scratch_.File("other")}});
        return child && (*child)->Wait().succeeded() && !Opens(scratch_.File("other"), O_RDONLY);
      },
      SandboxMode::kOn, needs);
  EXPECT_TRUE(ending.good()) << ending.said;
}

TEST_F(SandboxFiles, AuditLeavesThemAll) {
  EXPECT_TRUE(
      InSandbox([&] { return Opens(scratch_.File("other"), O_RDWR); }, SandboxMode::kAudit, {})
          .good());
}

// A program is left less than who starts it.
TEST_F(SandboxFiles, OfAProgram) {
  SandboxNeeds needs;
  needs.files = {{scratch_.path(), FileUse::kReplace}};
  const auto cat = [this](const std::string& path, bool confined) {
    ChildProcess::Plan plan;
    plan.program = "/bin/cat";
    plan.arguments = {path};
    if (confined) {
      plan.files = FilesOfProgram({{scratch_.File("one")}});
    }
    const auto child = ChildProcess::Start(plan);
    return child && (*child)->Wait().succeeded();
  };
  const Ending ending = InSandbox(
      [&] {
        return cat(scratch_.File("other"), false) && cat("/etc/passwd", false) &&
               cat(scratch_.File("one"), true) && !cat(scratch_.File("other"), true) &&
               !cat("/etc/passwd", true) && !cat("/proc/self/status", true) &&
               Opens(scratch_.File("other"), O_RDONLY);
      },
      SandboxMode::kOn, needs);
  EXPECT_TRUE(ending.good()) << ending.said;
}

}  // namespace
}  // namespace veneer
