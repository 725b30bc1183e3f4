// The NIC's thread: frames from the guest's transmit ring to the link, and from the link to its
// receive ring.
#include <sys/epoll.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "e1000_device.h"
#include "veneer/vmm/base/clock.h"
#include "veneer/vmm/base/log.h"

namespace veneer {
namespace {

// How long Serve() keeps the thread's other work waiting.
constexpr std::uint64_t kTurnNs = 1'000'000;
constexpr std::uint32_t kBatch = 64;
constexpr std::size_t kMinFrame = 14;
constexpr std::size_t kShortestOnWire = 60;  // without its checksum
constexpr std::size_t kLongestUsual = 1514;
constexpr std::size_t kVlanTag = 4;
constexpr std::size_t kCrc = 4;
constexpr std::size_t kStatusAt = 12;

std::uint64_t Now() { return HostClock().MonotonicNs(); }

}  // namespace

Result<void> E1000Device::Start(PciDevice& pin) {
  VENEER_TRY_ASSIGN(kick_, EventFd::Create());
  VENEER_TRY_ASSIGN(
      thread_, LoopThread::Start(
                   link_->facts().thread, fmt::format("e1000-{}", config_.number),
                   [this](EventLoop& loop) { return SetUp(loop); }, [this] { channel_.reset(); }));
  const MutexLock lock(mutex_);
  timer_ = std::make_unique<LoopTimer>(thread_->loop(), [this] {
    const MutexLock relock(mutex_);
    timer_armed_ = false;
    UpdateLine();
  });
  pin_ = &pin;
  return {};
}

E1000Device::~E1000Device() = default;

Result<void> E1000Device::SetUp(EventLoop& loop) {
  return loop.AddFd(kick_.get(), EPOLLIN, [this](std::uint32_t) {
    kick_.Drain();
    Serve();
  });
}

// True if there is a channel to work with.
bool E1000Device::FollowSwitches() {
  bool on = false;
  bool unplugged = false;
  std::uint64_t generation = 0;
  {
    const MutexLock lock(mutex_);
    on = Enabled(e1000::kRctl, e1000::kRxEnable) || Enabled(e1000::kTctl, e1000::kTxEnable);
    unplugged = unplugged_;
    generation = generation_;
  }
  if (std::exchange(seen_generation_, generation) != generation) {
    transmitter_.Reset();
    frame_bytes_ = 0;
  }
  if (on && channel_ == nullptr && !open_failed_) {
    OpenChannel();
  } else if (!on) {
    CloseChannel();
  }
  if (unplugged) {
    link_.reset();
  }
  return channel_ != nullptr;
}

void E1000Device::OpenChannel() {
  // Frames come whole and complete: the NIC's drivers know nothing else.
  Result<void> opened = link_->SetReceiverOffloads({});
  offloads_ = link_->facts().offloads;
  if (opened) {
    Result<std::unique_ptr<NetChannel>> channel = link_->OpenChannel(0);
    if (channel) {
      channel_ = std::move(*channel);
      opened =
          thread_->loop().AddFd(channel_->ready_fd(), EPOLLIN | EPOLLET, [this](std::uint32_t) {
            channel_->OnReady();
            Serve();
          });
    } else {
      opened = tl::unexpected(std::move(channel).error());
    }
  }
  if (!opened) {
    // As often as the guest switches it on.
    LogGuest(limiter_, "e1000 NIC {}: {}", config_.number, opened.error().message);
    channel_.reset();
    open_failed_ = true;  // until it is switched off
    return;
  }
  frame_.resize(kMaxFrame);
}

void E1000Device::CloseChannel() {
  open_failed_ = false;
  if (channel_ == nullptr) {
    return;
  }
  thread_->loop().RemoveFd(channel_->ready_fd());
  channel_.reset();
  transmitter_.Reset();
  frame_bytes_ = 0;
}

void E1000Device::Serve() {
  const std::uint64_t start = Now();
  while (FollowSwitches()) {
    const std::uint64_t now = Now();
    const bool sent = Transmit(now);
    const bool received = Receive(now);
    if (!sent && !received) {
      // What the link has to tell is worth another turn only if one of the two waits for the link.
      // Frames that wait for the guest's buffers do not: its next write to a tail brings us back.
      const bool news = channel_->Arm();
      if (!news || (!tx_wants_link_ && !rx_wants_link_)) {
        return;
      }
    }
    if (now - start >= kTurnNs) {
      kick_.Signal();
      return;
    }
  }
}

bool E1000Device::Held(const TokenBucket& limit, std::uint64_t now_ns) {
  const std::uint64_t delay = limit.DelayNs(now_ns);
  if (delay > 0 && !std::exchange(limit_timer_, true)) {
    thread_->loop().AddTimer(now_ns + delay, [this] {
      limit_timer_ = false;
      Serve();
    });
  }
  return delay > 0;
}

// --- From the guest -----------------------------------------------------------------------------

bool E1000Device::Transmit(std::uint64_t now_ns) {
  tx_wants_link_ = false;
  E1000Ring ring;
  {
    const MutexLock lock(mutex_);
    if (!Enabled(e1000::kTctl, e1000::kTxEnable) || generation_ != seen_generation_) {
      return generation_ != seen_generation_;
    }
    ring = tx_ring_;
  }
  if (Held(tx_limit_, now_ns)) {
    return false;
  }
  transmitter_.StartTurn(kBatch);
  transmitter_.Retry(*channel_);
  const std::uint32_t most = std::min(ring.available(), kBatch);
  std::uint32_t taken = 0;
  bool reported = false;
  while (taken < most && !transmitter_.Busy()) {
    const Gpa at = ring.At(taken++);
    std::optional<E1000Descriptor> descriptor = memory_.Read<E1000Descriptor>(at);
    if (!descriptor) {
      continue;  // a ring that is not in memory
    }
    if (transmitter_.Take(*descriptor, *channel_, offloads_)) {
      // What it pointed to has been copied: the guest may have it back whatever the link does.
      (*descriptor)[kStatusAt] |= std::byte{e1000::kTxDone};
      static_cast<void>(memory_.Write(at + kStatusAt, (*descriptor)[kStatusAt]));
      reported = true;
    }
  }
  tx_wants_link_ = transmitter_.Blocked();
  const E1000Transmitter::Counts counts = transmitter_.TakeCounts();
  tx_limit_.Charge(counts.bytes, now_ns);
  counters_.tx_frames.Add(counts.frames);
  counters_.tx_bytes.Add(counts.bytes);
  counters_.tx_dropped.Add(counts.dropped);
  const bool unfinished = transmitter_.Busy() && !transmitter_.Blocked();
  if (taken == 0 && counts.frames == 0 && !unfinished) {
    return false;
  }
  const MutexLock lock(mutex_);
  Count(e1000::kGoodSent, counts.frames);
  Count(e1000::kTotalSent, counts.frames);
  Count(e1000::kGoodBytesSent, counts.bytes);
  Count(e1000::kBytesSent, counts.bytes);
  Count(e1000::kMulticastSent, counts.multicast);
  Count(e1000::kBroadcastSent, counts.broadcast);
  Count(e1000::kTcpContextsSent, counts.contexts);
  if (generation_ == seen_generation_ && taken > 0) {
    tx_ring_.Advance(taken);
    Raise((reported ? e1000::kTxWrittenBack : 0) |
          (tx_ring_.available() == 0 ? e1000::kTxQueueEmpty : 0));
  }
  return true;
}

// --- To the guest -------------------------------------------------------------------------------

bool E1000Device::Receive(std::uint64_t now_ns) {
  rx_wants_link_ = false;
  ReceiveTurn turn;
  {
    const MutexLock lock(mutex_);
    if (!Enabled(e1000::kRctl, e1000::kRxEnable) || generation_ != seen_generation_) {
      return generation_ != seen_generation_;
    }
    turn.ring = rx_ring_;
    turn.settings = settings_;
  }
  if (Held(rx_limit_, now_ns)) {
    return false;
  }
  bool any = false;
  for (std::uint32_t i = 0; i < kBatch && turn.ring.available() > turn.used; ++i) {
    if (frame_bytes_ == 0) {
      virtio_net_hdr header{};
      // Room for what is added to a short one; a link never gives so much.
      const iovec room{frame_.data(), frame_.size() - kCrc};
      const std::optional<std::size_t> bytes = channel_->Receive(header, std::span(&room, 1));
      if (!bytes) {
        rx_wants_link_ = true;
        break;
      }
      any = true;
      frame_bytes_ = *bytes;
      if (frame_bytes_ < kMinFrame) {
        counters_.rx_dropped.Add(frame_bytes_ > 0 ? 1 : 0);
        frame_bytes_ = 0;
        continue;
      }
    }
    if (!PutFrame(turn)) {
      break;
    }
    any = true;
    frame_bytes_ = 0;
  }
  if (!any) {
    return false;
  }
  rx_limit_.Charge(turn.bytes, now_ns);
  counters_.rx_frames.Add(turn.frames);
  counters_.rx_bytes.Add(turn.bytes);
  counters_.rx_filtered.Add(turn.filtered);
  counters_.rx_dropped.Add(turn.oversize);
  const MutexLock lock(mutex_);
  Count(e1000::kGoodReceived, turn.frames);
  Count(e1000::kTotalReceived, turn.frames + turn.filtered + turn.oversize);
  Count(e1000::kGoodBytesReceived, turn.bytes);
  Count(e1000::kBytesReceived, turn.bytes);
  Count(e1000::kMulticastReceived, turn.multicast);
  Count(e1000::kBroadcastReceived, turn.broadcast);
  Count(e1000::kOversizeReceived, turn.oversize);
  if (generation_ == seen_generation_ && turn.used > 0) {
    rx_ring_.Advance(turn.used);
    const unsigned threshold = settings_.control >> e1000::kRxThresholdShift & 3U;
    const bool few = rx_ring_.available() < rx_ring_.count() >> (threshold + 1);
    Raise(e1000::kRxTimer | (few ? e1000::kRxMinimum : 0));
  }
  return true;
}

bool E1000Device::PutFrame(ReceiveTurn& turn) {
  const E1000ReceiveSettings& settings = turn.settings;
  const std::span<std::byte> whole = std::span(frame_).first(frame_bytes_);
  std::optional<std::uint16_t> tag = VlanTag(whole);
  if (!settings.Accepts(whole)) {
    ++turn.filtered;
    return true;
  }
  const std::size_t usual = kLongestUsual + (tag ? kVlanTag : 0);
  const std::size_t buffer = settings.BufferBytes();
  const bool strip = tag && settings.strip_vlan;
  std::size_t bytes = std::max(whole.size(), kShortestOnWire) - (strip ? kVlanTag : 0);
  if ((settings.control & e1000::kRxStripCrc) == 0) {
    bytes += kCrc;
  }
  const std::size_t needed = (bytes + buffer - 1) / buffer;
  const bool long_frames = (settings.control & e1000::kRxLong) != 0;
  if ((whole.size() > usual && !long_frames) || needed >= turn.ring.count()) {
    ++turn.oversize;
    LogGuest(limiter_,
             "e1000 NIC {}: a frame of {} bytes is dropped: the guest's driver takes {}; give both "
             "sides the same MTU",
             config_.number, whole.size(), long_frames ? turn.ring.count() * buffer : usual);
    return true;
  }
  if (needed > turn.ring.available() - turn.used) {
    return false;
  }
  const CheckedSums sums = CheckSums(whole, settings.checksum);
  const bool group = (std::to_integer<unsigned>(whole[0]) & 1U) != 0;
  const bool broadcast = std::to_integer<unsigned>(whole[0]) == 0xff;
  turn.broadcast += broadcast ? 1 : 0;
  turn.multicast += group && !broadcast ? 1 : 0;
  ++turn.frames;
  turn.bytes += whole.size();
  if (strip) {
    // The addresses move over the tag.
    std::memmove(frame_.data() + kVlanTag, frame_.data(), 12);
  }
  // Padding and checksum are zeros; nobody looks at them.
  const std::size_t begin = strip ? kVlanTag : 0;
  std::fill_n(frame_.begin() + static_cast<std::ptrdiff_t>(frame_bytes_),
              begin + bytes - std::min(frame_bytes_, begin + bytes), std::byte{0});
  std::span<const std::byte> data = std::span(frame_).subspan(begin, bytes);
  for (std::size_t i = 0; i < needed; ++i) {
    const std::size_t part = std::min(buffer, data.size());
    FillDescriptor(turn.ring, turn.used++, data.first(part), i + 1 == needed, sums,
                   strip ? tag : std::nullopt);
    data = data.subspan(part);
  }
  return true;
}

void E1000Device::FillDescriptor(const E1000Ring& ring, std::uint32_t index,
                                 std::span<const std::byte> data, bool last,
                                 const CheckedSums& sums, std::optional<std::uint16_t> tag) {
  const Gpa at = ring.At(index);
  const std::optional<std::uint64_t> address = memory_.Read<std::uint64_t>(at);
  // A buffer or a ring that is not in memory takes nothing.
  if (!address || !memory_.WriteBytes(Gpa{*address}, data)) {
    counters_.rx_dropped.Add();
  }
  unsigned status = e1000::kRxDone;
  if (last) {
    status |= e1000::kRxEndOfPacket | (tag ? e1000::kRxVlanStripped : 0U);
    status |= sums.status != 0 ? sums.status : unsigned{e1000::kRxIgnoreChecksums};
  }
  struct Tail {
    std::uint8_t errors;
    std::uint8_t tag[2];
  };
  const std::uint16_t special = tag.value_or(0);
  const bool written =
      memory_.Write(at + 8, static_cast<std::uint32_t>(data.size())) &&
      memory_.Write(at + kStatusAt + 1, Tail{last ? sums.errors : std::uint8_t{0},
                                             {static_cast<std::uint8_t>(special),
                                              static_cast<std::uint8_t>(special >> 8U)}});
  // The guest looks at the status first, and then takes the rest for good: the status goes last.
  const std::span<std::byte> seen_first = memory_.Pin(at + kStatusAt, 1);
  if (written && !seen_first.empty()) {
    SharedWord<std::uint8_t>(seen_first.data())
        .store(static_cast<std::uint8_t>(status), std::memory_order_release);
  }
}

}  // namespace veneer
