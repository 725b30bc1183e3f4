// The second line: what is left of this process's authority when the guest has taken a thread over.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/base/thread.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer {

enum class SandboxMode {
  kOn,     // what a thread has no use for ends the process
  kAudit,  // it is done, and the kernel's log tells
  kOff,
};

// What is done with a file; of a folder, with all that lies in it.
enum class FileUse {
  kRead,
  kWrite,         // what is there, and read too
  kRun,           // as a program, and read too
  kReplace,       // a folder: files are made, written, renamed and removed in it
  kSockets,       // a folder: UNIX sockets are made in it, and files removed
  kTemporary,     // a folder: all of this, and folders
  kEmptyFolders,  // a folder: empty ones are removed in it
};
struct AllowedFile {
  std::string path;
  FileUse use = FileUse::kRead;
};

// What the command line asks for that needs rights later, at a guest's reboots.
struct SandboxNeeds {
  bool taps = false;     // are made or put up
  bool scripts = false;  // the user's own are run
  // Are opened, again or for the first time.
  std::vector<AllowedFile> files{};
};

// What can no longer be done, each as a sentence for whoever asks for it. Null: it can be.
struct SandboxRefusals {
  const char* tap = nullptr;     // making one
  const char* script = nullptr;  // running one: --net script=
  bool files = false;            // opening others than those that were named
};

// Root becomes this user, with all of its groups, for good (a number: whoever has it, with the
// group of that number alone); of root's rights it keeps what `needs` takes, and ports below 1024.
// Before EnterSandbox(), which goes without it; the only thread. UsageError for a user that there
// is not, or that is root, and of any but root.
Result<void> BecomeUser(const std::string& name, const SandboxNeeds& needs);

// Once per process, on the main thread, before any other is started, and after what is opened once:
// the calling thread and all that begin later lose, for good, the rights that they do not need (see
// README.md). HostError if the kernel refuses; there is no half of it.
Result<SandboxRefusals> EnterSandbox(SandboxMode mode, const SandboxNeeds& needs);

// For ChildProcess::Plan::files: a program that Veneer runs for its own use shall reach these
// files, programs and libraries, and no others. Nothing comes of it unless the sandbox is on.
std::function<Result<UniqueFd>()> FilesOfProgram(std::vector<AllowedFile> files);

// Whether this host's kernel filters system calls as the sandbox needs it.
bool HostFiltersCalls();

// Whether it can keep a process from files (Landlock). Without, the sandbox does.
bool HostConfinesFiles();

// Whether the calling thread could read this file if it were not for the sandbox.
bool IsKeptFrom(const std::string& path);

}  // namespace veneer
