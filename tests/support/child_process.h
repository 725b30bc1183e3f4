// Runs a program for a test: arguments in, output and exit code out, never left behind.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "veneer/vmm/base/unique_fd.h"

namespace veneer::test {

// Killed, if it still runs, when this object goes.
class ChildProcess {
 public:
  // argv[0] is the program's path. stdin is a pipe; stdout and stderr are collected apart.
  explicit ChildProcess(const std::vector<std::string>& argv);
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess();

  // Collects output until stdout holds `text` at or after position `from`. False if the program
  // ended or the limit passed.
  bool WaitForOutput(std::string_view text, std::chrono::seconds limit, std::size_t from = 0);
  // Collects output until the program ends, killing it after the limit. Returns the exit code, or
  // 128 plus the signal that ended it.
  int WaitForExit(std::chrono::seconds limit);

  void Send(std::string_view input);
  void CloseInput() { stdin_.Reset(); }
  void Signal(int number) const;

  pid_t pid() const { return pid_; }
  const std::string& out() const { return out_; }
  const std::string& err() const { return err_; }

 private:
  // Reads until `done` or the deadline; false at the end of both pipes or when time is up.
  bool Collect(const std::function<bool()>& done, std::chrono::steady_clock::time_point deadline);

  pid_t pid_ = -1;
  int status_ = 0;
  UniqueFd stdin_;
  UniqueFd stdout_;
  UniqueFd stderr_;
  std::string out_;
  std::string err_;
};

}  // namespace veneer::test
