// Zstandard (RFC 8878) through libzstd.
#include <zstd.h>
#include <zstd_errors.h>

#include "stream_unpacker.h"

namespace veneer {
namespace {

constexpr int kMaxWindowLog = 27;  // 128 MiB, what `zstd -22 --ultra` uses for a kernel

class ZstdUnpacker : public StreamUnpacker {
 public:
  explicit ZstdUnpacker(const PackedRange& packed)
      : StreamUnpacker("zstd", packed), context_(ZSTD_createDCtx()) {}
  ~ZstdUnpacker() override { ZSTD_freeDCtx(context_); }
  ZstdUnpacker(const ZstdUnpacker&) = delete;
  ZstdUnpacker& operator=(const ZstdUnpacker&) = delete;

  bool Init() {
    return context_ != nullptr &&
           ZSTD_isError(ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, kMaxWindowLog)) == 0U;
  }

 protected:
  Status Step(Windows& windows) override {
    ZSTD_inBuffer in{windows.in.data(), windows.in.size(), 0};
    ZSTD_outBuffer out{windows.out.data(), windows.out.size(), 0};
    const std::size_t result = ZSTD_decompressStream(context_, &out, &in);
    windows.in = windows.in.subspan(in.pos);
    windows.out = windows.out.subspan(out.pos);
    switch (ZSTD_getErrorCode(result)) {
      case ZSTD_error_no_error:
        return result == 0 ? Status::kEnd : Status::kMore;
      case ZSTD_error_memory_allocation:
      case ZSTD_error_frameParameter_windowTooLarge:
        return Status::kTooMuchMemory;
      default:
        return Status::kDamaged;
    }
  }

 private:
  ZSTD_DCtx* context_;
};

}  // namespace

Result<std::unique_ptr<Unpacker>> MakeZstdUnpacker(const PackedRange& packed) {
  auto unpacker = std::make_unique<ZstdUnpacker>(packed);
  if (!unpacker->Init()) {
    return HostError("no memory for unpacking the kernel");
  }
  return unpacker;
}

}  // namespace veneer
