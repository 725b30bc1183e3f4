#include "unpacked_source.h"

#include <algorithm>
#include <limits>

namespace veneer {

Result<std::size_t> UnpackedSource::Pull(std::span<std::byte> out) {
  if (ended_) {
    return std::size_t{0};
  }
  VENEER_TRY_ASSIGN(const std::size_t got, unpacker_->Read(out));
  position_ += got;
  ended_ = got < out.size();
  if (position_ > limit_) {
    return UsageError("the kernel inside is larger than {} MiB, which does not fit into the guest",
                      limit_ >> 20U);
  }
  return got;
}

Result<void> UnpackedSource::LoadHead() {
  if (head_loaded_) {
    return {};
  }
  head_loaded_ = true;
  head_.resize(kHeadBytes);
  VENEER_TRY_ASSIGN(const std::size_t got, Pull(head_));
  head_.resize(got);
  return {};
}

Result<void> UnpackedSource::SkipTo(std::uint64_t offset) {
  std::vector<std::byte> scratch;
  while (position_ < offset && !ended_) {
    scratch.resize(std::min<std::uint64_t>(offset - position_, kHeadBytes));
    VENEER_TRY(Pull(scratch));
  }
  return {};
}

Result<std::size_t> UnpackedSource::ReadSome(std::uint64_t offset, std::span<std::byte> out) {
  VENEER_TRY(LoadHead());
  std::size_t done = 0;
  if (offset < head_.size()) {
    done = std::min<std::uint64_t>(out.size(), head_.size() - offset);
    std::copy_n(head_.begin() + static_cast<std::ptrdiff_t>(offset), done, out.begin());
  }
  if (done == out.size()) {
    return done;
  }
  if (offset + done < position_) {
    return UsageError("the parts of the kernel inside overlap one another");
  }
  VENEER_TRY(SkipTo(offset + done));
  VENEER_TRY_ASSIGN(const std::size_t got, Pull(out.subspan(done)));
  return done + got;
}

Result<void> UnpackedSource::Finish() {
  VENEER_TRY(LoadHead());
  return SkipTo(std::numeric_limits<std::uint64_t>::max());
}

}  // namespace veneer
