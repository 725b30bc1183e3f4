#include "qemu_nbd.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <utility>
#include <vector>

#include "veneer/host/disk/disk_files.h"
#include "veneer/host/sandbox/sandbox.h"
#include "veneer/vmm/base/log.h"
#include "veneer/vmm/base/unix_socket.h"

namespace veneer {
namespace {

constexpr const char* kQemuNbd = "qemu-nbd";

const char* CacheMode(const DiskConfig& disk) {
  if (disk.direct) {
    return "none";
  }
  return disk.cache == DiskCache::kUnsafe ? "unsafe" : "writeback";
}

std::vector<std::string> Arguments(const DiskConfig& disk, const std::string& format,
                                   unsigned connections) {
  std::vector<std::string> arguments{"--format=" + format,
                                     "--persistent",
                                     "--detect-zeroes=off",
                                     fmt::format("--cache={}", CacheMode(disk)),
                                     fmt::format("--discard={}", disk.discard ? "unmap" : "ignore"),
                                     fmt::format("--shared={}", connections)};
  if (disk.readonly) {
    arguments.emplace_back("--read-only");
  }
  if (disk.overlay) {
    // In a file without a name, in TMPDIR or /var/tmp.
    arguments.emplace_back("--snapshot");
  }
  // Absolute, since qemu takes "a:b" for the file b of a protocol a, and "-a" for options.
  arguments.push_back(std::filesystem::absolute(disk.path).string());
  return arguments;
}

// The image, what it is based on, and what --snapshot makes.
std::vector<AllowedFile> FilesOf(const DiskConfig& disk) {
  std::vector<AllowedFile> files = AllowedFilesOfDisk(disk);
  if (disk.overlay) {
    files.push_back({FolderOfOverlays(), FileUse::kReplace});
  }
  return files;
}

// A folder that only this user may enter, for as long as it takes to make the socket.
class PrivateFolder {
 public:
  PrivateFolder() {
    std::error_code error;
    std::filesystem::path base = std::filesystem::temp_directory_path(error);
    path_ = (error ? "/tmp" : base.string()) + "/veneer-XXXXXX";
    made_ = mkdtemp(path_.data()) != nullptr;
  }
  PrivateFolder(const PrivateFolder&) = delete;
  PrivateFolder& operator=(const PrivateFolder&) = delete;
  ~PrivateFolder() {
    if (made_) {
      unlink(socket_path().c_str());
      rmdir(path_.c_str());
    }
  }
  bool made() const { return made_; }
  const std::string& path() const { return path_; }
  std::string socket_path() const { return path_ + "/nbd"; }

 private:
  std::string path_;
  bool made_ = false;
};

}  // namespace

// The name of the socket is gone before anybody uses it, so that nothing is left behind however
// Veneer ends; /proc/self/fd leads to its inode.
Result<UniqueFd> QemuNbd::Listen() {
  const PrivateFolder folder;
  if (!folder.made()) {
    return ErrnoError(errno, fmt::format("cannot make the folder {}", folder.path()));
  }
  const std::string path = folder.socket_path();
  Result<UniqueFd> listener = ListenAt(path);
  if (!listener) {
    return WithContext(std::move(listener).error(), "in the temporary folder (see TMPDIR)");
  }
  address_.Reset(open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!address_.valid()) {
    return ErrnoError(errno, fmt::format("cannot open {}", path));
  }
  uri_ = fmt::format("nbd+unix:///?socket=/proc/self/fd/{}", address_.get());
  return listener;
}

Result<std::unique_ptr<QemuNbd>> QemuNbd::Start(const DiskConfig& disk, const std::string& format,
                                                unsigned connections) {
  std::unique_ptr<QemuNbd> server(new QemuNbd(disk.path));
  ChildProcess::Plan plan;
  VENEER_TRY_ASSIGN(plan.program, FindProgram(kQemuNbd, "qemu-utils"));
  // Closed when the child has its own: then connections end when the child does.
  VENEER_TRY_ASSIGN(const UniqueFd listener, server->Listen());
  plan.listener = listener.get();
  // A SIGTERM is lost on a qemu-nbd that is still starting: it remembers it in a variable that it
  // then sets to "running". So only what has to close an image with care is left to it.
  plan.cleans_up = !disk.readonly && !disk.overlay;
  plan.arguments = Arguments(disk, format, connections);
  plan.files = FilesOfProgram(FilesOf(disk));
  VENEER_TRY_ASSIGN(server->child_,
                    ChildProcess::Start(plan, [self = server.get()](const auto& outcome) {
                      self->OnEnd(outcome);
                    }));
  return server;
}

QemuNbd::~QemuNbd() {
  lasting_ = false;
  child_.reset();
}

void QemuNbd::OnEnd(const ChildProcess::Outcome& outcome) const {
  if (lasting_) {
    const std::string complaint = OneLine(outcome.complaint, kQemuNbd);
    LogError("disk '{}': its server {} has ended unexpectedly ({})", disk_, kQemuNbd,
             WIFSIGNALED(outcome.status) ? fmt::format("signal {}", WTERMSIG(outcome.status))
             : complaint.empty()         ? "without a word"
                                         : complaint);
  }
}

std::string QemuNbd::Stop() {
  lasting_ = false;
  child_->End();
  return OneLine(child_->Wait().complaint, kQemuNbd);
}

std::string OneLine(const std::string& complaint, const std::string& program) {
  std::string line = complaint;
  if (line.starts_with(program + ": ")) {
    line.erase(0, program.size() + 2);
  }
  while (!line.empty() && line.back() == '\n') {
    line.pop_back();
  }
  for (std::size_t end = line.find('\n'); end != std::string::npos; end = line.find('\n', end)) {
    line.replace(end, 1, "; ");
  }
  return line;
}

}  // namespace veneer
