// Files that take output while a guest runs: opened without waiting for anybody, made for their
// owner alone, and with a limit to how far they grow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer {

// Opens what `path` names for writing; `flags`: O_TRUNC or O_APPEND. Never waits: a FIFO is opened
// even if nobody reads it, and what does not fit it is EAGAIN. A new file is the owner's alone
// (0600); a link is followed to what is there, but nothing is made through it. The descriptor of
// anything but a regular file has O_NONBLOCK. UsageError or HostError.
Result<UniqueFd> OpenOutput(const std::string& path, int flags);

// A file with a limit. One thread at a time.
class OutputFile {
 public:
  // Empties the file. `max_bytes`, 0 for none: a file that would grow above it becomes PATH.1, in
  // place of the one before, and a new one begins; together they never take more than twice that.
  // UsageError if the file cannot be limited: it is a device, a pipe or a socket.
  static Result<OutputFile> Open(const std::string& path, std::uint64_t max_bytes);
  // Around a descriptor that is open already, without a limit.
  explicit OutputFile(UniqueFd fd) : fd_(std::move(fd)) {}

  int fd() const { return fd_.get(); }
  // How much fits before another file begins, bytes.
  std::uint64_t room() const {
    return max_bytes_ == 0 ? std::numeric_limits<std::uint64_t>::max() : max_bytes_ - written_;
  }
  // The most that fits any, bytes.
  std::uint64_t largest() const {
    return max_bytes_ == 0 ? std::numeric_limits<std::uint64_t>::max() : max_bytes_;
  }
  // Before writing `bytes` of which none shall be in another file than the rest. True: a new file
  // has begun. An error: the limit cannot be kept, and nothing may be written.
  Result<bool> MakeRoom(std::size_t bytes);

 private:
  UniqueFd fd_;
  std::string path_;  // without links
  std::uint64_t max_bytes_ = 0;
  std::uint64_t written_ = 0;  // or meant to be
};

}  // namespace veneer
