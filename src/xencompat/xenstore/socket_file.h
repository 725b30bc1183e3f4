// A listening UNIX socket and its name in the file system.
#pragma once

#include <sys/types.h>

#include <string>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer {

class SocketFile {
 public:
  // Listens at `path` with mode 0600, non-blocking. Replaces a socket that nobody listens at.
  static Result<SocketFile> Listen(const std::string& path);
  SocketFile(SocketFile&&) noexcept = default;
  SocketFile& operator=(SocketFile&&) = delete;
  // Removes the name, unless something else has it by now.
  ~SocketFile();

  int fd() const { return fd_.get(); }

 private:
  SocketFile(UniqueFd fd, std::string path, dev_t device, ino_t inode)
      : fd_(std::move(fd)), path_(std::move(path)), device_(device), inode_(inode) {}

  UniqueFd fd_;  // invalid once moved from
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace veneer
