#include "veneer/host/sandbox/sandbox.h"

#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ctime>
#include <memory>
#include <optional>
#include <utility>

#include "files.h"
#include "filters.h"
#include "rights.h"
#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/log.h"
#include "violation.h"

namespace veneer {
namespace {

#ifdef VENEER_NO_FILTERS
constexpr bool kFilters = false;
#else
constexpr bool kFilters = true;
#endif

// Chosen before there are threads.
SandboxMode mode_of_threads = SandboxMode::kOff;
bool scripts_run = false;

Result<void> Filter(FilterFor filter, SandboxMode mode) {
  if (!kFilters) {
    return {};
  }
  NameForViolations(filter);
  return InstallFilter(filter, mode);
}

// The main thread has done the same, so that this fails for want of memory only.
void ConfineStartedThread(ThreadKind kind) {
  const std::optional<FilterFor> filter = FilterOf(kind);
  const bool programs = kind == ThreadKind::kKeeper;
  // A user's script does what it does in the user's shell.
  if (!filter || (programs && scripts_run)) {
    return;
  }
  VENEER_CHECK(RefuseNewRights());
  VENEER_CHECK(DropRights({.files = programs}));
  VENEER_CHECK(Filter(*filter, mode_of_threads));
}

// The thread that starts what the main thread may not. Its loop lives as long as the process: to
// the very end somebody may write to the log, and so need a thread.
// It has no filter of its own: those that it starts have, which saves every start the time.
Result<EventLoop*> StartMaker(bool scripts) {
  const auto set_up = [scripts](EventLoop&) {
    return scripts ? Result<void>() : DropRights({.files = true});
  };
  VENEER_TRY_ASSIGN(std::unique_ptr<LoopThread> maker,
                    LoopThread::Start(ThreadKind::kHelper, "maker", set_up, [] {}));
  return &maker.release()->loop();
}

// Of the calling thread and what it starts. False: nothing has changed.
Result<bool> ConfineFilesOf(const SandboxNeeds& needs, SandboxMode mode) {
  // Landlock has no way to tell what it would refuse.
  if (!kFilters || mode == SandboxMode::kAudit) {
    return false;
  }
  VENEER_TRY_ASSIGN(const bool confined, ConfineFiles(needs.files));
  if (!confined) {
    LogInfo("this host's kernel has no Landlock, so that the sandbox leaves all files to Veneer");
  }
  return confined;
}

SandboxRefusals Refusals(const SandboxNeeds& needs, bool files) {
  SandboxRefusals refusals;
  refusals.files = files;
  if (CanMakeTaps() && !needs.taps) {
    refusals.tap =
        "no tap can be added to a guest that began without one, since Veneer has given up the "
        "rights for it: begin with a tap, or with --sandbox off";
  }
  if (!needs.scripts) {
    refusals.script =
        "no script= can be added to a guest that began without one, since Veneer has given up the "
        "rights for it: begin with one, or with --sandbox off";
  }
  return refusals;
}

}  // namespace

Result<SandboxRefusals> EnterSandbox(SandboxMode mode, const SandboxNeeds& needs) {
  if (mode == SandboxMode::kOff) {
    return SandboxRefusals();
  }
  ForbidCoreFiles();
  // Whoever writes a time first reads the zone's file: here, where files can be opened.
  tzset();
  bool files = false;
  if (!needs.scripts) {
    VENEER_TRY(RefuseNewRights());
    VENEER_TRY_ASSIGN(files, ConfineFilesOf(needs, mode));
  }
  // Before the main thread has a filter, which all that it starts have, too.
  VENEER_TRY_ASSIGN(EventLoop* const maker, StartMaker(needs.scripts));
  if (needs.scripts) {
    VENEER_TRY(RefuseNewRights());
    VENEER_TRY_ASSIGN(files, ConfineFilesOf(needs, mode));
  }
  const SandboxRefusals refusals = Refusals(needs, files);
  VENEER_TRY(DropRights({.taps = needs.taps, .ports = true, .files = true}));
  if (mode == SandboxMode::kOn) {
    ReportViolations();
  }
  VENEER_TRY(Filter(FilterFor::kMain, mode));
  mode_of_threads = mode;
  scripts_run = needs.scripts;
  SetThreadRules({.confine = &ConfineStartedThread, .maker = maker});
  if (mode == SandboxMode::kAudit) {
    LogInfo(
        "--sandbox audit: nothing is refused; for each system call that would be, the kernel's log "
        "('journalctl -k') has a line with type=1326, and the thread's name as comm=. Files are "
        "not confined");
  }
  return refusals;
}

std::function<Result<UniqueFd>()> FilesOfProgram(std::vector<AllowedFile> files) {
  return [files = std::move(files)]() -> Result<UniqueFd> {
    if (!kFilters || mode_of_threads != SandboxMode::kOn) {
      return UniqueFd();
    }
    return RulesForProgram(files);
  };
}

bool HostFiltersCalls() {
  const unsigned action = SECCOMP_RET_TRAP;
  return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

}  // namespace veneer
