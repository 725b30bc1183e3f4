// Random access to the bytes of an input file, wherever they are kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer {

class ByteSource {
 public:
  virtual ~ByteSource() = default;

  // Reads from `offset` on and says how many bytes it got: fewer than asked for only at the end.
  virtual Result<std::size_t> ReadSome(std::uint64_t offset, std::span<std::byte> out) = 0;

  // Fills `out`; UsageError if the input ends before.
  Result<void> ReadAt(std::uint64_t offset, std::span<std::byte> out);
};

// A regular file, read with pread().
class FileSource : public ByteSource {
 public:
  // UsageError if there is no such file, it may not be read, is no regular file or is empty.
  static Result<std::unique_ptr<FileSource>> Open(const std::string& path);

  Result<std::size_t> ReadSome(std::uint64_t offset, std::span<std::byte> out) override;
  // As it was when the file was opened.
  std::uint64_t size() const { return size_; }

 private:
  FileSource(UniqueFd fd, std::uint64_t size) : fd_(std::move(fd)), size_(size) {}

  UniqueFd fd_;
  std::uint64_t size_;
};

// Bytes in memory, which stay the caller's.
class SpanSource : public ByteSource {
 public:
  explicit SpanSource(std::span<const std::byte> bytes) : bytes_(bytes) {}

  Result<std::size_t> ReadSome(std::uint64_t offset, std::span<std::byte> out) override;

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace veneer
