#include "filters.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <span>
#include <vector>

#include "filter_programs.h"

namespace veneer {
namespace {

// Without this flag kernels before 5.16 slow the whole thread down, and with it the guest, against
// side channels inside the process.
constexpr unsigned kFlags = SECCOMP_FILTER_FLAG_SPEC_ALLOW;

struct Facts {
  std::span<const sock_filter> program;
  const char* whose;  // in the violation's line
};

Facts FactsOf(FilterFor filter) {
  switch (filter) {
    case FilterFor::kMain:
      return {kMainFilter, "the main thread"};
    case FilterFor::kChildren:
      return {kChildrenFilter, "the thread that starts programs"};
    case FilterFor::kVcpu:
      return {kVcpuFilter, "a vCPU's thread"};
    case FilterFor::kPvmVcpu:
      return {kPvmVcpuFilter, "a vCPU's thread"};
    case FilterFor::kDisk:
      return {kDiskFilter, "a disk's thread"};
    case FilterFor::kNet:
      return {kNetFilter, "a NIC's thread"};
    case FilterFor::kUserNet:
      return {kUserNetFilter, "a user-mode network's thread"};
    case FilterFor::kOutput:
      break;
  }
  return {kOutputFilter, "an output's thread"};
}

bool IsRefusal(const sock_filter& step) {
  const std::uint32_t action = step.k & SECCOMP_RET_ACTION_FULL;
  return step.code == (BPF_RET | BPF_K) &&
         (action == SECCOMP_RET_TRAP || action == SECCOMP_RET_ERRNO);
}

}  // namespace

std::optional<FilterFor> FilterOf(ThreadKind kind) {
  switch (kind) {
    case ThreadKind::kVcpu:
      return FilterFor::kVcpu;
    case ThreadKind::kPvmVcpu:
      return FilterFor::kPvmVcpu;
    case ThreadKind::kDisk:
      return FilterFor::kDisk;
    case ThreadKind::kNet:
      return FilterFor::kNet;
    case ThreadKind::kUserNet:
      return FilterFor::kUserNet;
    case ThreadKind::kOutput:
      return FilterFor::kOutput;
    case ThreadKind::kKeeper:
      return FilterFor::kChildren;
    case ThreadKind::kHelper:
      break;
  }
  return std::nullopt;
}

const char* Describe(FilterFor filter) { return FactsOf(filter).whose; }

Result<void> InstallFilter(FilterFor filter, SandboxMode mode) {
  const std::span<const sock_filter> compiled = FactsOf(filter).program;
  std::vector<sock_filter> program(compiled.begin(), compiled.end());
  for (sock_filter& step : program) {
    if (step.code == (BPF_JMP | BPF_JEQ | BPF_K) && step.k == kSelf) {
      step.k = static_cast<std::uint32_t>(getpid());
    } else if (mode == SandboxMode::kAudit && IsRefusal(step)) {
      step.k = SECCOMP_RET_LOG;
    }
  }
  sock_fprog wanted{static_cast<unsigned short>(program.size()), program.data()};
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, kFlags, &wanted) != 0) {
    return ErrnoError(
        errno, "the host's kernel does not filter system calls (--sandbox off goes without)");
  }
  return {};
}

}  // namespace veneer
