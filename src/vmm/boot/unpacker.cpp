#include "unpacker.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "veneer/vmm/base/check.h"

namespace veneer {
namespace {

using namespace std::string_view_literals;

constexpr std::array kMagics = {
    std::pair{"\x1f\x8b"sv, Compression::kGzip},
    std::pair{"\xfd"
              "7zXZ\0"sv,
              Compression::kXz},
    std::pair{"\x5d\0"sv, Compression::kLzma},
    std::pair{"BZh"sv, Compression::kBzip2},
    std::pair{"\x02\x21\x4c\x18"sv, Compression::kLz4},
    std::pair{"\x28\xb5\x2f\xfd"sv, Compression::kZstd},
};

bool StartsWith(std::span<const std::byte> head, std::string_view magic) {
  return head.size() >= magic.size() && std::memcmp(head.data(), magic.data(), magic.size()) == 0;
}

}  // namespace

Result<Compression> DetectCompression(std::span<const std::byte> head) {
  for (const auto& [magic, compression] : kMagics) {
    if (StartsWith(head, magic)) {
      return compression;
    }
  }
  const std::string_view found = StartsWith(head, "\x89LZO"sv) ? "LZO" : "an unknown format";
  return UsageError(
      "the kernel inside is compressed with {}, which cannot be unpacked here: use gzip, xz, lzma, "
      "lz4, zstd or bzip2, or let the kernel unpack itself",
      found);
}

std::string_view CompressionName(Compression compression) {
  switch (compression) {
    case Compression::kGzip:
      return "gzip";
    case Compression::kXz:
      return "xz";
    case Compression::kLzma:
      return "lzma";
    case Compression::kBzip2:
      return "bzip2";
    case Compression::kLz4:
      return "lz4";
    case Compression::kZstd:
      return "zstd";
  }
  CheckFailed("compression is known", __FILE__, __LINE__);
}

Result<std::unique_ptr<Unpacker>> MakeUnpacker(Compression compression, const PackedRange& packed) {
  switch (compression) {
    case Compression::kGzip:
      return MakeGzipUnpacker(packed);
    case Compression::kXz:
      return MakeXzUnpacker(packed);
    case Compression::kLzma:
      return MakeLzmaUnpacker(packed);
    case Compression::kBzip2:
      return MakeBzip2Unpacker(packed);
    case Compression::kLz4:
      return MakeLz4Unpacker(packed);
    case Compression::kZstd:
      return MakeZstdUnpacker(packed);
  }
  CheckFailed("compression is known", __FILE__, __LINE__);
}

}  // namespace veneer
