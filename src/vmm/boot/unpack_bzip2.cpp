// bzip2 through libbz2.
#include <algorithm>
#include <limits>

#include <bzlib.h>

#include "stream_unpacker.h"

namespace veneer {
namespace {

class Bzip2Unpacker : public StreamUnpacker {
 public:
  explicit Bzip2Unpacker(const PackedRange& packed) : StreamUnpacker("bzip2", packed) {}
  ~Bzip2Unpacker() override { BZ2_bzDecompressEnd(&stream_); }
  Bzip2Unpacker(const Bzip2Unpacker&) = delete;
  Bzip2Unpacker& operator=(const Bzip2Unpacker&) = delete;

  bool Init() {
    constexpr int kQuiet = 0;
    constexpr int kFastNotSmall = 0;
    return BZ2_bzDecompressInit(&stream_, kQuiet, kFastNotSmall) == BZ_OK;
  }

 protected:
  Status Step(Windows& windows) override {
    constexpr std::size_t kMax = std::numeric_limits<unsigned>::max();
    const std::size_t in_size = std::min(windows.in.size(), kMax);
    const std::size_t out_size = std::min(windows.out.size(), kMax);
    // libbz2's bytes are char, and its input is const in all but type.
    stream_.next_in = reinterpret_cast<char*>(const_cast<std::byte*>(windows.in.data()));
    stream_.avail_in = static_cast<unsigned>(in_size);
    stream_.next_out = reinterpret_cast<char*>(windows.out.data());
    stream_.avail_out = static_cast<unsigned>(out_size);
    const int result = BZ2_bzDecompress(&stream_);
    windows.in = windows.in.subspan(in_size - stream_.avail_in);
    windows.out = windows.out.subspan(out_size - stream_.avail_out);
    switch (result) {
      case BZ_OK:
        return Status::kMore;
      case BZ_STREAM_END:
        return Status::kEnd;
      case BZ_MEM_ERROR:
        return Status::kTooMuchMemory;
      default:
        return Status::kDamaged;
    }
  }

 private:
  bz_stream stream_{};
};

}  // namespace

Result<std::unique_ptr<Unpacker>> MakeBzip2Unpacker(const PackedRange& packed) {
  auto unpacker = std::make_unique<Bzip2Unpacker>(packed);
  if (!unpacker->Init()) {
    return HostError("no memory for unpacking the kernel");
  }
  return unpacker;
}

}  // namespace veneer
