// LZ4 in the "legacy frame" format (lz4_Frame_format.md), the one that Linux uses, through liblz4.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <vector>

#include <lz4.h>

#include "unpacker.h"

namespace veneer {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::uint32_t kMagic = 0x184c2102;
constexpr std::size_t kBlockBytes = std::size_t{8} << 20U;  // unpacked; only the last is smaller

class Lz4Unpacker : public Unpacker {
 public:
  explicit Lz4Unpacker(const PackedRange& packed) : packed_(packed) {}

  Result<std::size_t> Read(std::span<std::byte> out) override {
    std::size_t done = 0;
    while (done < out.size()) {
      if (ready_.empty()) {
        VENEER_TRY_ASSIGN(const bool more, NextBlock());
        if (!more) {
          break;
        }
      }
      const std::size_t length = std::min(ready_.size(), out.size() - done);
      std::copy_n(ready_.begin(), length, out.begin() + static_cast<std::ptrdiff_t>(done));
      ready_ = ready_.subspan(length);
      done += length;
    }
    return done;
  }

 private:
  // False at the end. After the last block there is nothing, or the four bytes of the unpacked
  // size.
  Result<bool> NextBlock() {
    std::uint32_t header = kMagic;
    while (header == kMagic) {
      if (packed_.length <= sizeof(header)) {
        return false;
      }
      VENEER_TRY(Take(std::as_writable_bytes(std::span(&header, 1))));
    }
    if (header > packed_.length) {
      return UsageError("the lz4 data of the kernel inside is truncated");
    }
    if (header > static_cast<std::uint32_t>(LZ4_COMPRESSBOUND(kBlockBytes))) {
      return UsageError("the lz4 data of the kernel inside is damaged");
    }
    block_.resize(header);
    VENEER_TRY(Take(block_));
    unpacked_.resize(kBlockBytes);
    // liblz4's bytes are char.
    const int length = LZ4_decompress_safe(
        reinterpret_cast<const char*>(block_.data()), reinterpret_cast<char*>(unpacked_.data()),
        static_cast<int>(block_.size()), static_cast<int>(unpacked_.size()));
    // An empty block would let a file make us loop without getting anywhere.
    if (length <= 0) {
      return UsageError("the lz4 data of the kernel inside is damaged");
    }
    ready_ = std::span(unpacked_).first(static_cast<std::size_t>(length));
    return true;
  }

  // The next packed_ bytes, of which there are enough.
  Result<void> Take(std::span<std::byte> out) {
    VENEER_TRY(packed_.source->ReadAt(packed_.offset, out));
    packed_.offset += out.size();
    packed_.length -= out.size();
    return {};
  }

  PackedRange packed_;  // not yet read
  std::vector<std::byte> block_;
  std::vector<std::byte> unpacked_;
  std::span<const std::byte> ready_;  // the part of unpacked_ not yet handed out
};

}  // namespace

Result<std::unique_ptr<Unpacker>> MakeLz4Unpacker(const PackedRange& packed) {
  return std::make_unique<Lz4Unpacker>(packed);
}

}  // namespace veneer
