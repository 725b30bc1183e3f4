// A guest whose veneer-load is spoken to by lines over the console, which is its program's stdin
// and stdout.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "interrupt.h"
#include "load/load.h"
#include "veneer/vmm/base/child_process.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer::bench {

class LoadConsole {
 public:
  // Runs `program` (a path), which boots a guest that runs veneer-load, and waits until that takes
  // loads.
  static Result<std::unique_ptr<LoadConsole>> Start(const std::string& program,
                                                    std::vector<std::string> arguments,
                                                    Interrupt& interrupt);
  // Has the guest perform `line` (see load_agent.cpp), which takes it `seconds` or so.
  Result<LoadResult> Ask(const std::string& line, unsigned seconds = 0);

 private:
  explicit LoadConsole(Interrupt& interrupt) : interrupt_(interrupt) {}
  // The next line that veneer-load writes, without its name.
  Result<std::string> NextAnswer(unsigned limit_seconds);
  Error Silence(std::string_view what) const;

  Interrupt& interrupt_;
  UniqueFd console_;
  std::string received_;  // not yet a whole line
  std::string last_;      // what the guest's console said of late
  std::unique_ptr<ChildProcess> vmm_;
};

}  // namespace veneer::bench
