#include "file_needs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "veneer/host/disk/disk_files.h"
#include "veneer/vmm/base/output_file.h"

namespace veneer {
namespace {

namespace fs = std::filesystem;

// Without links: they are renamed and removed there.
std::string FolderOf(const std::string& path) {
  const fs::path whole = fs::absolute(path);
  std::error_code failed;
  const fs::path real = fs::weakly_canonical(whole, failed);
  return (failed ? whole : real).parent_path().string();
}

// Those that are read at each of the guest's boots.
std::vector<std::string> FilesBooted(const MachineConfig& machine) {
  std::vector<std::string> paths{machine.kernel, machine.boot_file};
  paths.insert(paths.end(), machine.initrds.begin(), machine.initrds.end());
  std::erase(paths, std::string());
  return paths;
}

Result<void> AddWritten(const std::string& path, std::vector<AllowedFile>& files) {
  struct stat status {};
  if (path.empty()) {
    return {};
  }
  if (stat(path.c_str(), &status) != 0 && errno == ENOENT) {
    VENEER_TRY(OpenOutput(path, O_APPEND));
  }
  files.push_back({path, FileUse::kWrite});
  return {};
}

Result<void> AddDisks(const RunOptions& options, std::vector<AllowedFile>& files) {
  const auto& disks = options.machine.disks;
  for (const DiskConfig& disk : disks) {
    const auto of_disk = AllowedFilesOfDisk(disk);
    files.insert(files.end(), of_disk.begin(), of_disk.end());
  }
  for (const std::string& folder : options.disk_folders) {
    struct stat status {};
    if (stat(folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
      return UsageError("--disk-dir: '{}' is no folder", folder);
    }
    files.push_back({folder, FileUse::kWrite});
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<TemporaryFolder>> TemporaryFolder::Make() {
  std::string path = FolderOfOverlays() + "/veneer-XXXXXX";
  if (mkdtemp(path.data()) == nullptr) {
    return ErrnoError(errno, fmt::format("cannot make the folder '{}' (see TMPDIR)", path));
  }
  return std::unique_ptr<TemporaryFolder>(new TemporaryFolder(fs::absolute(path)));
}

TemporaryFolder::TemporaryFolder(std::string path) : path_(std::move(path)) {
  setenv("TMPDIR", path_.c_str(), 1);
}

TemporaryFolder::~TemporaryFolder() {
  setenv("TMPDIR", fs::path(path_).parent_path().c_str(), 1);
  rmdir(path_.c_str());
}

bool NeedsTemporaryFiles(const RunOptions& options) {
  return !options.disk_folders.empty() ||
         std::ranges::any_of(options.machine.disks, IsServedByQemu);
}

Result<std::vector<AllowedFile>> FilesNeeded(const RunOptions& options,
                                             const std::string& control_socket,
                                             const std::string& temporary) {
  const MachineConfig& machine = options.machine;
  std::vector<AllowedFile> files;
  for (const std::string& path : FilesBooted(machine)) {
    files.push_back({path, FileUse::kRead});
  }
  VENEER_TRY(AddDisks(options, files));
  if (!temporary.empty()) {
    files.push_back({temporary, FileUse::kTemporary});
    files.push_back({fs::path(temporary).parent_path(), FileUse::kEmptyFolders});
  }
  for (const NetConfig& nic : machine.nics) {
    if (nic.pcap_max_bytes != 0) {
      files.push_back({FolderOf(nic.pcap), FileUse::kReplace});
    } else {
      VENEER_TRY(AddWritten(nic.pcap, files));
    }
  }
  if (const auto made = AddWritten(options.metrics_file, files); !made) {
    return WithContext(made.error(), "--metrics");
  }
  for (const CharacterTarget& target : {machine.serial, machine.xen.console}) {
    if (target.max_bytes != 0) {
      files.push_back({FolderOf(target.path), FileUse::kReplace});
    }
  }
  for (const std::string& socket : {control_socket, machine.xen.xenstore_socket}) {
    if (!socket.empty()) {
      files.push_back({FolderOf(socket), FileUse::kSockets});
    }
  }
  return files;
}

std::string ReplacedFile(const RunOptions& options) {
  std::vector<std::string> paths = FilesBooted(options.machine);
  for (const DiskConfig& disk : options.machine.disks) {
    for (const DiskFile& file : FilesOfDisk(disk)) {
      paths.push_back(file.path);
    }
  }
  const auto found = std::ranges::find_if(paths, IsKeptFrom);
  return found == paths.end() ? std::string() : *found;
}

std::string OutsideSandbox(const DiskConfig& disk) {
  for (const DiskFile& file : FilesOfDisk(disk)) {
    if (IsKeptFrom(file.path)) {
      return fmt::format(
          "disk '{}': the sandbox leaves '{}' to nobody; begin the guest with --disk-dir {}, or "
          "with --sandbox off",
          disk.path, file.path, FolderOf(file.path));
    }
  }
  return {};
}

}  // namespace veneer
