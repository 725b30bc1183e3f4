// Frames to a tap, many with one system call: on hosts that are guests themselves the call costs
// as much as a fifth of what the kernel then does for a small frame.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include <liburing.h>

#include "veneer/host/net/net_link.h"

namespace veneer {

// Belongs to one thread at a time.
class FrameWrites {
 public:
  // `tap` stays open as long as this object, and does not block. Nothing if the host has no
  // io_uring to use.
  static std::unique_ptr<FrameWrites> Create(int tap);
  FrameWrites(const FrameWrites&) = delete;
  FrameWrites& operator=(const FrameWrites&) = delete;
  ~FrameWrites();

  static constexpr std::size_t kMost = 64;
  // Writes at least one frame and at most kMost, each behind its virtio_net_hdr, and says in each
  // what became of it. False: not to be used again, this host's kernel cannot; those that have not
  // been written are kFull.
  bool Write(std::span<OutgoingFrame> frames);

 private:
  FrameWrites() = default;
  bool Make(int tap);
  void Queue(std::span<OutgoingFrame> frames);
  unsigned Submit(unsigned count);
  void Collect(unsigned count);

  io_uring ring_{};
  bool made_ = false;
  std::vector<iovec> pieces_;  // of a batch: each frame's header, and the frame
};

}  // namespace veneer
