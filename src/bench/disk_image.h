// Disks for the guest, and only for as long as it takes.
#pragma once

#include <cstdint>
#include <string>

#include "interrupt.h"
#include "veneer/vmm/base/result.h"

namespace veneer::bench {

// A file with data in all of its blocks, so that nothing measures holes or the making of extents.
// Removed with this object.
class DiskImage {
 public:
  static Result<DiskImage> Make(std::string path, std::uint64_t bytes, Interrupt& interrupt);
  DiskImage(DiskImage&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
  DiskImage& operator=(DiskImage&&) = delete;
  ~DiskImage();

  const std::string& path() const { return path_; }

 private:
  explicit DiskImage(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace veneer::bench
