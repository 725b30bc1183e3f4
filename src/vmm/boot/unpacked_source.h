// Compressed data read as if it were a plain file, forwards only, without ever holding all of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "byte_source.h"
#include "unpacker.h"

namespace veneer {

class UnpackedSource : public ByteSource {
 public:
  // The first so many bytes can be read again and again.
  static constexpr std::size_t kHeadBytes = std::size_t{64} << 10U;

  // Gives up with a UsageError once more than `limit` bytes come out.
  UnpackedSource(std::unique_ptr<Unpacker> unpacker, std::uint64_t limit)
      : unpacker_(std::move(unpacker)), limit_(limit) {}

  // Beyond the head, `offset` may not be lower than where the last read ended: UsageError.
  Result<std::size_t> ReadSome(std::uint64_t offset, std::span<std::byte> out) override;

  // Unpacks what is left, so that damage to it is found.
  Result<void> Finish();

 private:
  Result<std::size_t> Pull(std::span<std::byte> out);
  Result<void> LoadHead();
  Result<void> SkipTo(std::uint64_t offset);

  std::unique_ptr<Unpacker> unpacker_;
  std::uint64_t limit_;
  std::uint64_t position_ = 0;  // bytes that the unpacker has yielded
  bool ended_ = false;
  bool head_loaded_ = false;
  std::vector<std::byte> head_;
};

}  // namespace veneer
