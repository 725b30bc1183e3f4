// Frames on their way to the guest, as many as may be kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>

namespace veneer {

// One thread.
class FrameQueue {
 public:
  // The limits of what waits: bytes, and frames for those that are short.
  static constexpr std::size_t kMaxBytes = std::size_t{4} << 20U;
  static constexpr std::size_t kMaxFrames = 8192;

  // False if there is no room: dropped.
  bool Push(std::span<const std::byte> frame);
  bool empty() const { return frames_.empty(); }
  // The oldest, until Pop().
  std::span<const std::byte> Front() const {
    return {frames_.front().bytes.get(), frames_.front().size};
  }
  void Pop();

 private:
  struct Frame {
    std::unique_ptr<std::byte[]> bytes;
    std::size_t size;
  };
  std::deque<Frame> frames_;
  std::size_t bytes_ = 0;
};

}  // namespace veneer
