// gzip through zlib.
#include <algorithm>
#include <limits>

#include <zlib.h>

#include "stream_unpacker.h"

namespace veneer {
namespace {

class GzipUnpacker : public StreamUnpacker {
 public:
  explicit GzipUnpacker(const PackedRange& packed) : StreamUnpacker("gzip", packed) {}
  ~GzipUnpacker() override { inflateEnd(&stream_); }
  GzipUnpacker(const GzipUnpacker&) = delete;
  GzipUnpacker& operator=(const GzipUnpacker&) = delete;

  bool Init() {
    constexpr int kGzipOnly = 16;  // added to the window bits: expect a gzip header
    return inflateInit2(&stream_, MAX_WBITS + kGzipOnly) == Z_OK;
  }

 protected:
  Status Step(Windows& windows) override {
    constexpr std::size_t kMax = std::numeric_limits<uInt>::max();
    const std::size_t in_size = std::min(windows.in.size(), kMax);
    const std::size_t out_size = std::min(windows.out.size(), kMax);
    // zlib's bytes are unsigned char, and its input is const in all but type.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(windows.in.data()));
    stream_.avail_in = static_cast<uInt>(in_size);
    stream_.next_out = reinterpret_cast<Bytef*>(windows.out.data());
    stream_.avail_out = static_cast<uInt>(out_size);
    const int result = inflate(&stream_, Z_NO_FLUSH);
    windows.in = windows.in.subspan(in_size - stream_.avail_in);
    windows.out = windows.out.subspan(out_size - stream_.avail_out);
    switch (result) {
      case Z_OK:
      case Z_BUF_ERROR:  // no progress: the caller notices
        return Status::kMore;
      case Z_STREAM_END:
        return Status::kEnd;
      case Z_MEM_ERROR:
        return Status::kTooMuchMemory;
      default:
        return Status::kDamaged;
    }
  }

 private:
  z_stream stream_{};
};

}  // namespace

Result<std::unique_ptr<Unpacker>> MakeGzipUnpacker(const PackedRange& packed) {
  auto unpacker = std::make_unique<GzipUnpacker>(packed);
  if (!unpacker->Init()) {
    return HostError("no memory for unpacking the kernel");
  }
  return unpacker;
}

}  // namespace veneer
