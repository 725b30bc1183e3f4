// Decompressors for the payload of a bzImage, behind one interface.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "byte_source.h"
#include "veneer/vmm/base/result.h"

namespace veneer {

// Yields the unpacked bytes from first to last.
class Unpacker {
 public:
  virtual ~Unpacker() = default;
  // Fills `out` and says how many bytes it holds: fewer than asked for only at the end. UsageError
  // for damaged or truncated data.
  virtual Result<std::size_t> Read(std::span<std::byte> out) = 0;
};

// A range of a ByteSource that holds compressed data. Linux appends the unpacked size (4 bytes) to
// some formats; unpackers leave alone what follows the end of the data proper.
struct PackedRange {
  ByteSource* source = nullptr;  // outlives the unpacker
  std::uint64_t offset = 0;
  std::uint64_t length = 0;  // bytes
};

enum class Compression { kGzip, kXz, kLzma, kBzip2, kLz4, kZstd };

// By the magic number in the first bytes. UsageError for anything else, also for LZO.
Result<Compression> DetectCompression(std::span<const std::byte> head);
std::string_view CompressionName(Compression compression);

Result<std::unique_ptr<Unpacker>> MakeUnpacker(Compression compression, const PackedRange& packed);

// One per library.
Result<std::unique_ptr<Unpacker>> MakeGzipUnpacker(const PackedRange& packed);
Result<std::unique_ptr<Unpacker>> MakeXzUnpacker(const PackedRange& packed);
Result<std::unique_ptr<Unpacker>> MakeLzmaUnpacker(const PackedRange& packed);
Result<std::unique_ptr<Unpacker>> MakeBzip2Unpacker(const PackedRange& packed);
Result<std::unique_ptr<Unpacker>> MakeLz4Unpacker(const PackedRange& packed);
Result<std::unique_ptr<Unpacker>> MakeZstdUnpacker(const PackedRange& packed);

}  // namespace veneer
