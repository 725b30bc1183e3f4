#include "net_receiver.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "veneer/vmm/base/check.h"

namespace veneer {
namespace {

constexpr std::size_t kReadBatch = 64;  // frames read before the guest is shown them
constexpr std::size_t kEthernetAndTag = 18;

std::size_t PagesFor(std::size_t bytes) {
  return std::max<std::size_t>((bytes + kPageSize - 1) / kPageSize, 1);
}

std::size_t LargestFrame(const NicState& nic, const ReceiveAbilities& abilities) {
  if (!abilities.scatter_gather) {
    return kPageSize;
  }
  const bool segmented = abilities.offloads.tso4 || abilities.offloads.tso6;
  return segmented ? kMaxFrame : std::min(nic.link.facts().mtu + kEthernetAndTag, kMaxFrame);
}

}  // namespace

NetReceiver::NetReceiver(NicState& nic, GrantTable& grants, NetChannel& channel,
                         std::span<std::byte> ring_page, const ReceiveAbilities& abilities)
    : nic_(nic),
      grants_(grants),
      channel_(channel),
      ring_({ring_page}),
      largest_(LargestFrame(nic, abilities)),
      // One more for the slot with the segment size.
      needed_(PagesFor(largest_) + (abilities.scatter_gather ? 1 : 0)),
      posted_(ring_.size()),
      buffer_(std::make_unique_for_overwrite<Buffer>()) {
  VENEER_CHECK(needed_ <= kMaxFrameSlots);
  buffer_->header = {};
}

NetReceiver::~NetReceiver() {
  for (std::size_t i = 0; i < count_; ++i) {
    filled_.push_back(std::move(At(i).page));
  }
  grants_.ReleaseMany(filled_);
}

// False: the ring is broken.
bool NetReceiver::Refill() {
  const std::size_t before = count_;
  netif_rx_request request;
  while (count_ < posted_.size()) {
    const RingTake taken = ring_.Take(request);
    if (taken != RingTake::kRequest) {
      broken_ = taken == RingTake::kBroken;
      break;
    }
    At(count_++).id = request.id;
    refs_.push_back(GrantRef{request.gref});
  }
  if (count_ > before) {
    MapPosted(before);
  }
  return !broken_;
}

void NetReceiver::MapPosted(std::size_t from) {
  mapped_.clear();
  if (grants_.MapMany(refs_, GrantAccess::kReadWrite, mapped_) == GrantStatus::kOkay) {
    for (std::size_t i = 0; i < mapped_.size(); ++i) {
      At(from + i).page = std::move(mapped_[i]);
    }
  } else {
    for (std::size_t i = 0; i < refs_.size(); ++i) {
      auto page = grants_.Map(refs_[i], GrantAccess::kReadWrite);
      At(from + i).page = page ? std::move(*page) : PinnedGrant();
    }
  }
  refs_.clear();
}

NetReceiver::Outcome NetReceiver::Receive(std::uint64_t now_ns) {
  for (std::size_t frames = 0; frames < kReadBatch; ++frames) {
    if (count_ < needed_ && !Refill()) {
      return Outcome::kBroken;
    }
    while (count_ > 0 && !At(0).page.valid()) {
      AnswerUnusable();
    }
    if (count_ < needed_) {
      return frames > 0 ? Outcome::kWorked : Outcome::kNoRoom;
    }
    if (!ReceiveFrame(now_ns)) {
      return frames > 0 ? Outcome::kWorked : Outcome::kNothing;
    }
  }
  return Outcome::kWorked;
}

void NetReceiver::AnswerUnusable() {
  nic_.counters.rx_bad.Add();
  LogGuest(nic_.guest_limiter, "NIC {}: a receive buffer that is not granted", nic_.number);
  ring_.Put({.id = At(0).id, .offset = 0, .flags = 0, .status = NETIF_RSP_ERROR});
  ++head_;
  --count_;
}

std::span<const iovec> NetReceiver::LayRoom() {
  const std::size_t most = guess_ == Shape::kOnePage ? 0 : PagesFor(largest_);
  room_.Clear();
  laid_ = 0;
  while (laid_ < most && PageOf(guess_, laid_).valid()) {
    ++laid_;
  }
  room_.AddJoined(laid_, [this](std::size_t i) { return PageOf(guess_, i).page(); });
  if (laid_ * kPageSize <= largest_) {
    // One byte more than the largest frame: what fills that has been cut.
    room_.Add(buffer_->bytes, largest_ + 1 - laid_ * kPageSize);
  }
  return room_.all();
}

std::optional<std::size_t> NetReceiver::NextPlain() {
  const std::size_t bytes = plain_.Next(std::span(buffer_->bytes).first(kMaxFrame));
  if (bytes == 0) {
    return std::nullopt;
  }
  // It lies in the buffer, none of it in the guest's pages.
  room_.Clear();
  room_.Add(buffer_->bytes, bytes);
  laid_ = 0;
  buffer_->header = {};
  buffer_->header.flags = VIRTIO_NET_HDR_F_DATA_VALID;
  return bytes;
}

bool NetReceiver::NeedsPlain(std::size_t bytes) const {
  std::array<std::byte, 14> begin;
  if (bytes < begin.size() || bytes > largest_) {
    return false;
  }
  std::memcpy(begin.data(), room_.all().front().iov_base, begin.size());
  return PlainSegments::Wanted(buffer_->header, begin);
}

bool NetReceiver::MakePlain(std::size_t bytes) {
  // The guest may change what has come to its pages: all is copied first, and only the copy counts.
  std::span<std::byte> to = plain_.room();
  std::size_t left = std::min(bytes, to.size());
  for (const iovec& piece : room_.all()) {
    const std::size_t part = std::min(piece.iov_len, left);
    std::memcpy(to.data(), piece.iov_base, part);
    to = to.subspan(part);
    left -= part;
  }
  return plain_.Take(buffer_->header, bytes);
}

bool NetReceiver::ReceiveFrame(std::uint64_t now_ns) {
  NicCounters& counters = nic_.counters;
  auto bytes = NextPlain();
  if (!bytes) {
    bytes = channel_.Receive(buffer_->header, LayRoom());
    if (!bytes) {
      return false;
    }
    nic_.rx_limit.Charge(*bytes, now_ns);
    if (NeedsPlain(*bytes)) {
      if (!MakePlain(*bytes)) {
        counters.rx_dropped.Add();
        return true;
      }
      bytes = NextPlain();
      counters.rx_made_plain.Add();
    }
  }
  const bool segmented = buffer_->header.gso_type != VIRTIO_NET_HDR_GSO_NONE;
  const Shape shape = segmented            ? Shape::kSegmented
                      : *bytes > kPageSize ? Shape::kPlain
                                           : Shape::kOnePage;
  if (*bytes == 0 || *bytes > largest_ || !Wanted() || !Place(*bytes, shape)) {
    counters.rx_dropped.Add();
    return true;
  }
  guess_ = *bytes > kPageSize ? shape : Shape::kOnePage;
  Answer(*bytes, shape);
  counters.rx_frames.Add();
  counters.rx_bytes.Add(*bytes);
  if (segmented) {
    counters.rx_gso.Add();
  }
  return true;
}

bool NetReceiver::Wanted() const {
  std::array<std::uint8_t, 6> destination;
  std::memcpy(destination.data(), room_.all().front().iov_base, destination.size());
  return nic_.multicast.Passes(destination);
}

// Moves what lies elsewhere to where a frame of this shape has it. False: the guest's buffers there
// cannot be used.
bool NetReceiver::Place(std::size_t bytes, Shape shape) {
  const std::size_t pages = PagesFor(bytes);
  for (std::size_t i = 0; i < pages; ++i) {
    if (SlotOf(shape, i) >= count_ || !PageOf(shape, i).valid()) {
      return false;
    }
  }
  if (shape == Shape::kSegmented && count_ < 2) {
    return false;
  }
  const std::size_t in_place =
      SlotOf(shape, 1) == SlotOf(guess_, 1) ? laid_ : std::min<std::size_t>(laid_, 1);
  if (in_place >= pages) {
    return true;
  }
  // First all the rest to the buffer, before what lies there already; then from there to its pages,
  // so that no order of pages needs thought.
  const auto part = [bytes](std::size_t i) { return std::min(kPageSize, bytes - i * kPageSize); };
  const auto place = [&](std::size_t i) { return buffer_->bytes + (i - in_place) * kPageSize; };
  const std::size_t laid = std::min(laid_, pages);
  std::memmove(place(laid), buffer_->bytes, bytes - std::min(bytes, laid * kPageSize));
  for (std::size_t i = in_place; i < laid; ++i) {
    std::memcpy(place(i), PageOf(guess_, i).page().data(), part(i));
  }
  for (std::size_t i = in_place; i < pages; ++i) {
    std::memcpy(PageOf(shape, i).page().data(), place(i), part(i));
  }
  if (pages > 1) {
    nic_.counters.rx_moved.Add(bytes - in_place * kPageSize);
  }
  return true;
}

void NetReceiver::Answer(std::size_t bytes, Shape shape) {
  std::uint16_t flags = 0;
  if ((buffer_->header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0) {
    flags |= NETRXF_csum_blank | NETRXF_data_validated;
  } else if ((buffer_->header.flags & VIRTIO_NET_HDR_F_DATA_VALID) != 0) {
    flags |= NETRXF_data_validated;
  }
  const std::size_t pages = PagesFor(bytes);
  const bool segmented = shape == Shape::kSegmented;
  for (std::size_t i = 0; i < pages; ++i) {
    Posted& slot = At(0);
    const std::size_t part = std::min(kPageSize, bytes - i * kPageSize);
    const bool more = i + 1 < pages;
    ring_.Put(
        {.id = slot.id,
         .offset = 0,
         .flags = static_cast<std::uint16_t>((i == 0 ? flags : 0) | (more ? NETRXF_more_data : 0) |
                                             (i == 0 && segmented ? NETRXF_extra_info : 0)),
         .status = static_cast<std::int16_t>(part)});
    filled_.push_back(std::move(slot.page));
    ++head_;
    --count_;
    if (i == 0 && segmented) {
      netif_extra_info extra{};
      extra.type = XEN_NETIF_EXTRA_TYPE_GSO;
      extra.u.gso.size = buffer_->header.gso_size;
      extra.u.gso.type =
          (buffer_->header.gso_type & ~VIRTIO_NET_HDR_GSO_ECN) == VIRTIO_NET_HDR_GSO_TCPV6
              ? XEN_NETIF_GSO_TYPE_TCPV6
              : XEN_NETIF_GSO_TYPE_TCPV4;
      netif_rx_response answer;
      std::memcpy(&answer, &extra, sizeof answer);
      ring_.Put(answer);
      // Its buffer goes back unused.
      filled_.push_back(std::move(At(0).page));
      ++head_;
      --count_;
    }
  }
}

bool NetReceiver::Publish() {
  if (ring_.unpublished() == 0) {
    return false;
  }
  // First: the guest takes its pages back as soon as it sees the answers.
  grants_.ReleaseMany(filled_);
  const bool notify = ring_.Publish();
  (notify ? nic_.counters.rx_notifications : nic_.counters.rx_suppressed).Add();
  return notify;
}

bool NetReceiver::AskForRoom() {
  if (broken_) {
    return false;
  }
  nic_.counters.rx_no_room.Add();
  return ring_.AskForEvent(static_cast<std::uint32_t>(needed_ - count_));
}

}  // namespace veneer
