// `veneer run --detach`: a process in the background runs the guest; the one that the user has
// started tells how that began.
#pragma once

#include <optional>
#include <string>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer {

// In the background: a session of its own, nothing on standard input and output; standard error
// goes to the process in front, until the guest runs.
class Background {
 public:
  // The guest of this name runs. Has the process in front print that and end, and lets go of what
  // this one still had of it: standard error goes to the log's file, or nowhere. HostError if there
  // is nobody in front any more. Other threads may run.
  Result<void> Begin(const std::string& name);

 private:
  friend struct Detached;
  Background(UniqueFd front, UniqueFd errors)
      : front_(std::move(front)), errors_(std::move(errors)) {}

  UniqueFd front_;   // takes the name
  UniqueFd errors_;  // what standard error shall be
};

// One of the two, by the process that looks.
struct Detached {
  std::optional<int> exit_code;          // in front: all is done
  std::optional<Background> background;  // in the background: go on

  // Makes a process, and in front waits until that one has begun, or failed: what it says on
  // standard error until then is said here, and its exit status is the exit code. `log_file`:
  // empty if the log goes to standard error. Before there are threads.
  static Result<Detached> Make(const std::string& log_file);
};

}  // namespace veneer
