// xz (with its x86 filter) and the older lzma format through liblzma.
#include <lzma.h>

#include "stream_unpacker.h"

namespace veneer {
namespace {

// Linux packs with dictionaries of up to 128 MiB.
constexpr std::uint64_t kMemoryLimit = std::uint64_t{192} << 20U;

class LzmaUnpacker : public StreamUnpacker {
 public:
  LzmaUnpacker(std::string_view format, const PackedRange& packed)
      : StreamUnpacker(format, packed) {}
  ~LzmaUnpacker() override { lzma_end(&stream_); }
  LzmaUnpacker(const LzmaUnpacker&) = delete;
  LzmaUnpacker& operator=(const LzmaUnpacker&) = delete;

  bool InitXz() { return lzma_stream_decoder(&stream_, kMemoryLimit, 0) == LZMA_OK; }
  bool InitLzma() { return lzma_alone_decoder(&stream_, kMemoryLimit) == LZMA_OK; }

 protected:
  Status Step(Windows& windows) override {
    // liblzma's bytes are uint8_t.
    stream_.next_in = reinterpret_cast<const std::uint8_t*>(windows.in.data());
    stream_.avail_in = windows.in.size();
    stream_.next_out = reinterpret_cast<std::uint8_t*>(windows.out.data());
    stream_.avail_out = windows.out.size();
    const lzma_ret result = lzma_code(&stream_, LZMA_RUN);
    windows.in = windows.in.last(stream_.avail_in);
    windows.out = windows.out.last(stream_.avail_out);
    switch (result) {
      case LZMA_OK:
      case LZMA_BUF_ERROR:  // no progress: the caller notices
        return Status::kMore;
      case LZMA_STREAM_END:
        return Status::kEnd;
      case LZMA_MEM_ERROR:
      case LZMA_MEMLIMIT_ERROR:
        return Status::kTooMuchMemory;
      default:
        return Status::kDamaged;
    }
  }

 private:
  lzma_stream stream_ = LZMA_STREAM_INIT;
};

}  // namespace

Result<std::unique_ptr<Unpacker>> MakeXzUnpacker(const PackedRange& packed) {
  auto unpacker = std::make_unique<LzmaUnpacker>("xz", packed);
  if (!unpacker->InitXz()) {
    return HostError("no memory for unpacking the kernel");
  }
  return unpacker;
}

Result<std::unique_ptr<Unpacker>> MakeLzmaUnpacker(const PackedRange& packed) {
  auto unpacker = std::make_unique<LzmaUnpacker>("lzma", packed);
  if (!unpacker->InitLzma()) {
    return HostError("no memory for unpacking the kernel");
  }
  return unpacker;
}

}  // namespace veneer
