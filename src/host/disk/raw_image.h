// Raw images: the bytes of the disk are the bytes of a file or a block device.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "flush_record.h"
#include "header_guard.h"
#include "veneer/host/disk/disk_image.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer {

class RawImage final : public DiskImage {
 public:
  static Result<std::unique_ptr<DiskImage>> Open(const DiskConfig& config);

  RawImage(const RawImage&) = delete;
  RawImage& operator=(const RawImage&) = delete;
  ~RawImage() override;

  Facts facts() const override;
  Result<void> Refresh() override;
  Result<std::unique_ptr<DiskChannel>> OpenChannel() override;

 private:
  explicit RawImage(std::string path) : path_(std::move(path)) {}
  Result<void> OpenFiles(const DiskConfig& config);
  Result<void> LearnLimits(const DiskConfig& config);

  const std::string path_;
  UniqueFd file_;         // through the page cache; holds the locks
  UniqueFd direct_file_;  // past it; absent without direct=on
  // What transfers past the page cache must be multiples of, bytes.
  std::uint32_t offset_alignment_ = 512;
  std::uint32_t memory_alignment_ = 512;
  Facts fixed_;  // but for the size
  std::atomic<std::uint64_t> bytes_{0};
  std::optional<HeaderGuard> guard_;  // if the format was found by looking
  FlushRecord flushes_;
};

}  // namespace veneer
