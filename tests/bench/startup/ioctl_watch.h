// Stops a program at chosen ioctl() calls, at no cost to all its other system calls.
//
// A seccomp filter (Linux, Documentation/userspace-api/seccomp_filter.rst) hands those calls to the
// parent and lets all others pass inside the kernel. ptrace() would stop at every system call and
// add its own work to the figures.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer::bench {

// One program under watch. Killed when this object goes.
class IoctlWatch {
 public:
  // Starts argv, which gets /dev/null as standard input and output. Only the low 32 bits of the
  // requests count, as for ioctl() itself.
  static Result<IoctlWatch> Start(const std::vector<std::string>& argv,
                                  const std::vector<std::uint32_t>& requests);
  IoctlWatch(IoctlWatch&&) = default;
  IoctlWatch& operator=(IoctlWatch&&) = delete;
  IoctlWatch(const IoctlWatch&) = delete;
  IoctlWatch& operator=(const IoctlWatch&) = delete;
  ~IoctlWatch();

  pid_t pid() const { return pid_; }
  // CPU time, user and system, of all threads since exec, in nanoseconds.
  Result<std::uint64_t> CpuNs() const;

  // Waits for the next of the watched calls and returns its request; the calling thread stands
  // still until Continue(). Nothing: the program has ended. HostError when the limit passes.
  Result<std::optional<std::uint32_t>> Next(std::chrono::seconds limit);
  Result<void> Continue();

  // What the program has said on its standard error.
  std::string Complaints();

 private:
  IoctlWatch() = default;
  Result<void> Launch(const std::vector<std::string>& argv,
                      const std::vector<std::uint32_t>& requests);

  // Owns the number, so that a moved-from object kills nobody.
  class Pid {
   public:
    Pid() = default;
    explicit Pid(pid_t value) : value_(value) {}
    Pid(Pid&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
    Pid& operator=(Pid&& other) noexcept {
      value_ = std::exchange(other.value_, -1);
      return *this;
    }
    operator pid_t() const { return value_; }  // NOLINT(google-explicit-constructor)

   private:
    pid_t value_ = -1;
  };

  Pid pid_;
  UniqueFd listener_;
  UniqueFd stderr_;
  std::uint64_t cpu_before_exec_ns_ = 0;
  std::uint64_t pending_ = 0;  // the call that stands still
};

}  // namespace veneer::bench
