#include "frame_queue.h"

#include <cstring>

namespace veneer {

bool FrameQueue::Push(std::span<const std::byte> frame) {
  if (frames_.size() >= kMaxFrames || frame.size() > kMaxBytes - bytes_) {
    return false;
  }
  Frame copy{std::make_unique_for_overwrite<std::byte[]>(frame.size()), frame.size()};
  std::memcpy(copy.bytes.get(), frame.data(), frame.size());
  bytes_ += frame.size();
  frames_.push_back(std::move(copy));
  return true;
}

void FrameQueue::Pop() {
  bytes_ -= frames_.front().size;
  frames_.pop_front();
}

}  // namespace veneer
