#include "stream_unpacker.h"

#include <algorithm>

namespace veneer {
namespace {

constexpr std::size_t kInputBytes = std::size_t{128} << 10U;

}  // namespace

Result<void> StreamUnpacker::Refill() {
  const std::size_t length = std::min<std::uint64_t>(packed_.length, kInputBytes);
  buffer_.resize(length);
  VENEER_TRY(packed_.source->ReadAt(packed_.offset, buffer_));
  packed_.offset += length;
  packed_.length -= length;
  input_ = buffer_;
  return {};
}

Result<std::size_t> StreamUnpacker::Read(std::span<std::byte> out) {
  Windows windows{input_, out};
  while (!windows.out.empty() && !ended_) {
    if (windows.in.empty() && packed_.length > 0) {
      VENEER_TRY(Refill());
      windows.in = input_;
    }
    const std::size_t in_before = windows.in.size();
    const std::size_t out_before = windows.out.size();
    switch (Step(windows)) {
      case Status::kMore:
        break;
      case Status::kEnd:
        ended_ = true;
        break;
      case Status::kDamaged:
        return UsageError("the {} data of the kernel inside is damaged", format_);
      case Status::kTooMuchMemory:
        return UsageError("the {} data of the kernel inside needs too much memory to unpack",
                          format_);
    }
    const bool stuck = windows.in.size() == in_before && windows.out.size() == out_before;
    if (stuck && !ended_) {
      return UsageError("the {} data of the kernel inside is {}", format_,
                        windows.in.empty() ? "truncated" : "damaged");
    }
  }
  input_ = windows.in;
  return out.size() - windows.out.size();
}

}  // namespace veneer
