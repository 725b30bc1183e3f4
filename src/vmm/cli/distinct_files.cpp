#include "distinct_files.h"

#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <fmt/core.h>

namespace veneer {
namespace {

struct NamedFile {
  std::string option;  // for the user
  std::string path;
  bool written = false;
};

void Add(std::vector<NamedFile>& files, std::string option, const std::string& path, bool written) {
  if (!path.empty()) {
    files.push_back({std::move(option), path, written});
  }
}

std::vector<NamedFile> FilesOf(const RunOptions& options) {
  const MachineConfig& machine = options.machine;
  std::vector<NamedFile> files;
  Add(files, "--kernel", machine.kernel, false);
  for (const std::string& path : machine.initrds) {
    Add(files, "--initrd", path, false);
  }
  Add(files, "--boot", machine.boot_file, false);
  for (const DiskConfig& disk : machine.disks) {
    Add(files, "a disk", disk.path, false);
  }
  for (const std::string& path :
       {options.seed.user_data, options.seed.meta_data, options.seed.network}) {
    Add(files, "--cloud-init", path, false);
  }
  Add(files, "--ssh-key", options.seed.ssh_key, false);
  Add(files, "--log-file", options.log_file, true);
  Add(files, "--serial", machine.serial.path, true);
  Add(files, "--console", machine.xen.console.path, true);
  Add(files, "--metrics", options.metrics_file, true);
  for (const NetConfig& nic : machine.nics) {
    Add(files, "pcap of --net", nic.pcap, true);
  }
  return files;
}

bool AreSame(const std::string& one, const std::string& other) {
  struct stat first {};
  struct stat second {};
  if (stat(one.c_str(), &first) == 0 && stat(other.c_str(), &second) == 0) {
    return (S_ISREG(first.st_mode) || S_ISBLK(first.st_mode)) && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
  }
  std::error_code failed;
  const auto place_of = [&failed](const std::string& path) {
    return std::filesystem::weakly_canonical(std::filesystem::absolute(path), failed);
  };
  const auto place = place_of(one);
  return !failed && place == place_of(other) && !failed;
}

}  // namespace

Result<void> CheckDistinctFiles(const RunOptions& options) {
  const std::vector<NamedFile> files = FilesOf(options);
  for (std::size_t i = 0; i < files.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if ((files[i].written || files[j].written) && AreSame(files[i].path, files[j].path)) {
        return UsageError("{}: '{}' is also what {} names; name another file", files[i].option,
                          files[i].path, files[j].option);
      }
    }
  }
  return {};
}

}  // namespace veneer
