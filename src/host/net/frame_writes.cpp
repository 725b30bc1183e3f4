#include "frame_writes.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "veneer/host/sandbox/bound_ring.h"
#include "veneer/vmm/base/thread.h"

namespace veneer {

std::unique_ptr<FrameWrites> FrameWrites::Create(int tap) {
  std::unique_ptr<FrameWrites> writes(new FrameWrites());
  bool good = false;
  CallOnMaker([&] { good = writes->Make(tap); });
  return good ? std::move(writes) : nullptr;
}

bool FrameWrites::Make(int tap) {
  made_ = io_uring_queue_init(kMost, &ring_, IORING_SETUP_R_DISABLED) == 0 ||
          io_uring_queue_init(kMost, &ring_, 0) == 0;  // before Linux 5.10
  constexpr std::array<std::uint8_t, 1> kOperations{IORING_OP_WRITEV};
  return made_ && io_uring_register_files(&ring_, &tap, 1) == 0 &&
         BindRing(ring_, kOperations) == 0;
}

FrameWrites::~FrameWrites() {
  if (made_) {
    // At once, so that the tap is gone when it is closed, and not when the kernel comes to clean up
    // the ring.
    static_cast<void>(io_uring_unregister_files(&ring_));
    io_uring_queue_exit(&ring_);
  }
}

bool FrameWrites::Write(std::span<OutgoingFrame> frames) {
  Queue(frames);
  Collect(Submit(static_cast<unsigned>(frames.size())));
  return frames.back().sent != NetSent::kFull;
}

void FrameWrites::Queue(std::span<OutgoingFrame> frames) {
  std::size_t total = 0;
  for (const OutgoingFrame& frame : frames) {
    total += 1 + frame.pieces.size();
  }
  pieces_.resize(total);
  iovec* next = pieces_.data();
  for (OutgoingFrame& frame : frames) {
    iovec* const first = next;
    *next++ = iovec{&frame.header, sizeof frame.header};
    next = std::copy(frame.pieces.begin(), frame.pieces.end(), next);
    frame.sent = NetSent::kFull;
    io_uring_sqe* const entry = io_uring_get_sqe(&ring_);
    io_uring_prep_writev(entry, 0, first, static_cast<unsigned>(next - first), 0);
    entry->flags = IOSQE_FIXED_FILE;
    entry->rw_flags = RWF_NOWAIT;  // else the kernel waits until a tap with a limit has room again
    io_uring_sqe_set_data(entry, &frame);
  }
}

unsigned FrameWrites::Submit(unsigned count) {
  unsigned submitted = 0;
  while (submitted < count) {
    const int result = io_uring_submit(&ring_);
    if (result < 0 && result != -EINTR) {
      break;
    }
    submitted += static_cast<unsigned>(std::max(result, 0));
  }
  return submitted;
}

// The frames may be used again after it.
void FrameWrites::Collect(unsigned count) {
  for (unsigned ended = 0; ended < count;) {
    io_uring_cqe* completion = nullptr;
    if (io_uring_wait_cqe(&ring_, &completion) != 0) {
      continue;  // a signal
    }
    if (completion->res != -EOPNOTSUPP) {
      static_cast<OutgoingFrame*>(io_uring_cqe_get_data(completion))->sent =
          completion->res >= 0 ? NetSent::kSent : NetSent::kRefused;
    }
    io_uring_cqe_seen(&ring_, completion);
    ++ended;
  }
}

}  // namespace veneer
