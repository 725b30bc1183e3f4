// A file for a disk to lie in, and something to write to it.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "support/scratch_directory.h"
#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer {

// A file of its own size, deleted with this object.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::uint64_t bytes) {
    VENEER_CHECK(fd_.valid() && ftruncate(fd_.get(), static_cast<off_t>(bytes)) == 0);
  }
  const std::string& path() const { return path_; }
  int fd() const { return fd_.get(); }
  std::vector<std::byte> Read(std::uint64_t offset, std::size_t length) const {
    std::vector<std::byte> data(length);
    VENEER_CHECK(pread(fd_.get(), data.data(), length, static_cast<off_t>(offset)) ==
                 static_cast<ssize_t>(length));
    return data;
  }
  void Write(std::uint64_t offset, const std::vector<std::byte>& data) const {
    VENEER_CHECK(pwrite(fd_.get(), data.data(), data.size(), static_cast<off_t>(offset)) ==
                 static_cast<ssize_t>(data.size()));
  }
  std::uint64_t AllocatedBytes() const {
    struct stat info {};
    VENEER_CHECK(fstat(fd_.get(), &info) == 0);
    return static_cast<std::uint64_t>(info.st_blocks) * 512;
  }

 private:
  test::ScratchDirectory scratch_;
  std::string path_ = scratch_.File("disk");
  UniqueFd fd_{open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
};

inline std::vector<std::byte> Pattern(std::size_t length, unsigned seed) {
  std::vector<std::byte> data(length);
  std::uint32_t value = seed * 2654435761U + 1;
  for (std::byte& byte : data) {
    value = value * 1664525 + 1013904223;
    byte = static_cast<std::byte>(value >> 24U);
  }
  return data;
}

}  // namespace veneer
