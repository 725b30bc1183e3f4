// A file for a disk to lie in, and something to write to it.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "veneer/base/check.h"
#include "veneer/base/unique_fd.h"

namespace veneer {

// A file of its own size, deleted with this object.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::uint64_t bytes) {
    std::string name = ::testing::TempDir() + "veneer-disk-XXXXXX";
    fd_.Reset(mkstemp(name.data()));
    path_ = name;
    VENEER_CHECK(fd_.valid() && ftruncate(fd_.get(), static_cast<off_t>(bytes)) == 0);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { unlink(path_.c_str()); }
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
  UniqueFd fd_;
  std::string path_;
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
