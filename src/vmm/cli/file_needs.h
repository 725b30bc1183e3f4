// The files that a command line leaves to Veneer once it is confined.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "run_options.h"
#include "veneer/host/sandbox/sandbox.h"
#include "veneer/vmm/base/result.h"

namespace veneer {

// A folder of this process's own for temporary files, its own and those of programs that it runs:
// TMPDIR is it as long as this object lives. In what was TMPDIR before, or in /var/tmp.
class TemporaryFolder {
 public:
  static Result<std::unique_ptr<TemporaryFolder>> Make();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder();

  const std::string& path() const { return path_; }

 private:
  explicit TemporaryFolder(std::string path);
  const std::string path_;
};

// Whether anything needs one.
bool NeedsTemporaryFiles(const RunOptions& options);

// What is opened after the sandbox has been entered: at the guest's boots, at the end, and by
// `veneer ctl`. The formats of disks have been decided. `control_socket`: its path; `temporary`:
// the folder for temporary files; empty: none. Makes the files that are only written later, since
// no file can be left to a process that is not there; UsageError or HostError if they cannot be
// made.
Result<std::vector<AllowedFile>> FilesNeeded(const RunOptions& options,
                                             const std::string& control_socket,
                                             const std::string& temporary);

// The first file of the command line that was there, and is now another one, which the sandbox does
// not leave to Veneer; empty: none. After FilesNeeded().
std::string ReplacedFile(const RunOptions& options);

// Why this disk cannot be opened, as a sentence, if the sandbox is the reason; else empty.
std::string OutsideSandbox(const DiskConfig& disk);

}  // namespace veneer
