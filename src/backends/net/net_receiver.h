// From the host to the guest: moves frames from the link into the buffers that the guest has posted
// in its receive ring.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "frame_pieces.h"
#include "net_ring.h"
#include "nic_state.h"
#include "plain_segments.h"
#include "veneer/xencompat/gnttab/grant_table.h"

namespace veneer {

// What a front-end can take.
struct ReceiveAbilities {
  bool scatter_gather = false;  // frames of several slots
  NetOffloads offloads;
};

// Belongs to its queue's thread.
//
// A frame of several pages is read straight into those it stays in, one that fits a page to a
// buffer right behind its virtio_net_hdr first: the copy costs less than having the kernel take in
// a list of places. Where the second page goes depends on what the frame is (behind a segmented
// frame's first slot comes one with its segment size), which is known only when it has been read;
// so the kind of the last frame is guessed for the next, and what was guessed wrong is moved.
class NetReceiver {
 public:
  // `ring_page` stays mapped as long as this object.
  NetReceiver(NicState& nic, GrantTable& grants, NetChannel& channel,
              std::span<std::byte> ring_page, const ReceiveAbilities& abilities);
  NetReceiver(const NetReceiver&) = delete;
  NetReceiver& operator=(const NetReceiver&) = delete;
  ~NetReceiver();

  enum class Outcome {
    kNothing,  // the link has no frame
    kWorked,   // there may be more
    kNoRoom,   // the guest has not posted enough buffers for the largest frame
    kBroken,   // and for ever
  };
  // One batch. Answers are put, and shown by Publish().
  Outcome Receive(std::uint64_t now_ns);
  // True: notify the guest.
  bool Publish();
  // After kNoRoom: asks to be kicked when enough buffers are there. True: they are, look again.
  bool AskForRoom();
  std::string Report() { return ring_.Report(); }

 private:
  enum class Shape { kOnePage, kPlain, kSegmented };
  struct Posted {
    std::uint16_t id = 0;
    PinnedGrant page;  // invalid: cannot be used
  };

  bool Refill();
  void MapPosted(std::size_t from);
  bool ReceiveFrame(std::uint64_t now_ns);
  std::span<const iovec> LayRoom();
  // What is left of a frame that the front-end cannot take as it came; nothing: ask the link.
  std::optional<std::size_t> NextPlain();
  // Whether the frame that has just been read to its room is such a one.
  bool NeedsPlain(std::size_t bytes) const;
  // Takes it. False: its headers make no sense.
  bool MakePlain(std::size_t bytes);
  bool Place(std::size_t bytes, Shape shape);
  void Answer(std::size_t bytes, Shape shape);
  void AnswerUnusable();
  bool Wanted() const;
  Posted& At(std::size_t index) { return posted_[(head_ + index) & (posted_.size() - 1)]; }
  // The page that part `index` of a frame of this shape lies in.
  std::size_t SlotOf(Shape shape, std::size_t index) const {
    return shape == Shape::kSegmented && index > 0 ? index + 1 : index;
  }
  PinnedGrant& PageOf(Shape shape, std::size_t index) { return At(SlotOf(shape, index)).page; }

  NicState& nic_;
  GrantTable& grants_;
  NetChannel& channel_;
  RxRing ring_;
  const std::size_t largest_;  // frame, bytes
  const std::size_t needed_;   // buffers for the largest frame

  // Taken from the ring and not yet answered, in the ring's order, as answers have to be.
  std::vector<Posted> posted_;
  std::size_t head_ = 0;
  std::size_t count_ = 0;
  std::vector<PinnedGrant> filled_;  // to be given back before the answers are shown
  bool broken_ = false;

  // What comes from the link before it is in its pages.
  struct Buffer {
    virtio_net_hdr header;
    std::byte bytes[kMaxFrame + 1];  // of the frame, all for which no pages are laid
  };

  Shape guess_ = Shape::kOnePage;
  FramePieces room_;
  std::size_t laid_ = 0;  // pages in room_, from the frame's first on
  std::unique_ptr<Buffer> buffer_;
  PlainSegments plain_;
  std::vector<GrantRef> refs_;       // reused
  std::vector<PinnedGrant> mapped_;  // reused
};

}  // namespace veneer
