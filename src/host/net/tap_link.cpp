#include "tap_link.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "frame_writes.h"
#include "veneer/vmm/base/child_process.h"
#include "veneer/vmm/base/log.h"

namespace veneer {
namespace {

constexpr const char* kTunDevice = "/dev/net/tun";
constexpr const char* kNewName = "veneer%d";  // the kernel puts the first number in that is free
constexpr std::size_t kMostPieces = 64;       // of one frame; more than any front-end has
constexpr std::size_t kSmallFrame = 2048;     // bytes, with its virtio_net_hdr

std::string Reason(int error) { return std::generic_category().message(error); }

ifreq Request(const std::string& name) {
  ifreq request{};
  name.copy(request.ifr_name, sizeof(request.ifr_name) - 1);
  return request;
}

// Puts a queue of a tap with several to work, or to rest: what arrives goes to those at work.
// False if it was so already.
bool SwitchQueue(int queue, bool on) {
  ifreq request{};
  request.ifr_flags = static_cast<short>(on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE);
  return ioctl(queue, TUNSETQUEUE, &request) == 0;
}

class TapChannel final : public NetChannel {
 public:
  // `queue` is the tap's, at rest if there can be several, and used by this object alone.
  TapChannel(int queue, bool multi_queue) : queue_(queue), multi_queue_(multi_queue) {
    if (multi_queue_) {
      SwitchQueue(queue_, true);
    }
    Drain();
  }
  ~TapChannel() override {
    if (multi_queue_) {
      SwitchQueue(queue_, false);
    }
  }

  NetSent Send(const virtio_net_hdr& header, std::span<const iovec> frame) override {
    const std::size_t gathered = Gather(header, frame);
    pieces_[0] = iovec{const_cast<virtio_net_hdr*>(&header), sizeof header};
    const int count = gathered == 0 ? WithHeader(frame) : 0;
    for (;;) {
      const ssize_t written = gathered > 0 ? write(queue_, small_frame_.data(), gathered)
                                           : writev(queue_, pieces_.data(), count);
      if (written >= 0) {
        return NetSent::kSent;
      }
      // The tap is down, it does not like the frame, or somebody has limited what it holds.
      if (errno != EINTR) {
        return NetSent::kRefused;
      }
    }
  }

  void SendMany(std::span<OutgoingFrame> frames) override {
    if (!tried_writes_ && frames.size() > 1) {
      tried_writes_ = true;
      writes_ = FrameWrites::Create(queue_);
    }
    while (writes_ && frames.size() > 1) {
      const auto batch = frames.first(std::min(frames.size(), FrameWrites::kMost));
      if (!writes_->Write(batch)) {
        writes_.reset();
      }
      frames = frames.subspan(Handed(batch));
    }
    NetChannel::SendMany(frames);
  }

  std::optional<std::size_t> Receive(virtio_net_hdr& header, std::span<const iovec> room) override {
    // One place instead of a list saves the kernel a third of what it does for a small frame.
    const bool adjoining = room.size() == 1 && room.front().iov_base == &header + 1;
    pieces_[0] = iovec{&header, sizeof header};
    const int count = adjoining ? 0 : WithHeader(room);
    for (;;) {
      const ssize_t bytes = adjoining ? read(queue_, &header, sizeof header + room.front().iov_len)
                                      : readv(queue_, pieces_.data(), count);
      if (bytes >= static_cast<ssize_t>(sizeof header)) {
        return static_cast<std::size_t>(bytes) - sizeof header;
      }
      if (bytes >= 0 || errno == EFAULT || errno == EINVAL) {
        return 0;  // a frame that cannot be had
      }
      if (errno != EINTR) {
        return std::nullopt;
      }
    }
  }

  // The tap is always watched.
  bool Arm() override { return false; }
  void OnReady() override {}
  int ready_fd() const override { return queue_; }

 private:
  static std::size_t Handed(std::span<const OutgoingFrame> batch) {
    const auto left = std::find_if(batch.begin(), batch.end(), [](const OutgoingFrame& frame) {
      return frame.sent == NetSent::kFull;
    });
    return static_cast<std::size_t>(left - batch.begin());
  }
  // Puts a small frame behind its header: copying it costs less than having the kernel take a list
  // of pieces in. Returns the length of both; 0 for a frame that is not small.
  std::size_t Gather(const virtio_net_hdr& header, std::span<const iovec> frame) {
    std::memcpy(small_frame_.data(), &header, sizeof header);
    std::size_t bytes = sizeof header;
    for (const iovec& piece : frame) {
      if (piece.iov_len > small_frame_.size() - bytes) {
        return 0;
      }
      std::memcpy(small_frame_.data() + bytes, piece.iov_base, piece.iov_len);
      bytes += piece.iov_len;
    }
    return bytes;
  }
  int WithHeader(std::span<const iovec> pieces) {
    const std::size_t count = std::min(pieces.size(), pieces_.size() - 1);
    std::copy_n(pieces.begin(), count, pieces_.begin() + 1);
    return static_cast<int>(count + 1);
  }
  // Frames that arrived while nobody had the queue open are dropped. Not without end, if others go
  // on sending: a tap holds 500 of them unless its owner has changed that.
  void Drain() {
    constexpr unsigned kMost = 4096;
    std::array<std::byte, 2048> frame;
    for (unsigned i = 0; i < kMost && read(queue_, frame.data(), frame.size()) > 0; ++i) {
    }
  }

  const int queue_;
  const bool multi_queue_;
  std::array<iovec, kMostPieces> pieces_{};
  std::array<std::byte, kSmallFrame> small_frame_{};
  bool tried_writes_ = false;
  std::unique_ptr<FrameWrites> writes_;  // of several frames at once, once they have come
};

class TapLink final : public NetLink {
 public:
  static Result<std::unique_ptr<TapLink>> Open(const TapNet& tap, const NetConfig& config);

  Facts facts() const override {
    return {.name = name_,
            .offloads = true,
            .queues = static_cast<unsigned>(queues_.size()),
            .mtu = mtu_};
  }
  Result<void> SetReceiverOffloads(const NetOffloads& offloads) override;
  Result<std::unique_ptr<NetChannel>> OpenChannel(unsigned queue) override {
    return std::make_unique<TapChannel>(queues_.at(queue).get(), multi_queue_);
  }

 private:
  Result<void> OpenQueues(const TapNet& tap, unsigned count);
  Result<UniqueFd> OpenQueue(const std::string& wanted, unsigned count);
  Result<void> PutUp(const TapNet& tap, const NetConfig& config);
  Result<void> SetMtu(int control, std::uint32_t mtu);

  std::string name_;
  bool made_ = false;  // by us
  bool multi_queue_ = false;
  std::uint32_t mtu_ = 0;
  std::vector<UniqueFd> queues_;
};

Result<std::unique_ptr<TapLink>> TapLink::Open(const TapNet& tap, const NetConfig& config) {
  auto link = std::make_unique<TapLink>();
  VENEER_TRY(link->OpenQueues(tap, config.queues));
  VENEER_TRY(link->PutUp(tap, config));
  VENEER_TRY(link->SetReceiverOffloads({}));
  for (const UniqueFd& queue : link->queues_) {
    if (link->multi_queue_) {
      SwitchQueue(queue.get(), false);
    }
  }
  return link;
}

Result<UniqueFd> TapLink::OpenQueue(const std::string& wanted, unsigned count) {
  UniqueFd queue(open(kTunDevice, O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!queue.valid()) {
    return UsageError("--net tap: cannot open {}: {}{}", kTunDevice, Reason(errno),
                      errno == EACCES ? "" : "; 'modprobe tun' may help");
  }
  ifreq request = Request(wanted);
  constexpr short kFlags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  request.ifr_flags = static_cast<short>(kFlags | (multi_queue_ ? IFF_MULTI_QUEUE : 0));
  if (ioctl(queue.get(), TUNSETIFF, &request) != 0) {
    const int error = errno;
    if (error == EINVAL && !multi_queue_ && count == 1 && queues_.empty()) {
      // Somebody has made it with several queues; one of them will do.
      multi_queue_ = true;
      return OpenQueue(wanted, count);
    }
    if (error == EPERM) {
      return UsageError(
          "--net tap: a tap needs root, or one that root has made for you: "
          "'ip tuntap add dev {} mode tap user NAME'",
          made_ ? "veneer0" : wanted);
    }
    if (error == EBUSY) {
      return UsageError("--net tap={}: another program uses this tap", wanted);
    }
    if (error == EINVAL) {
      return UsageError("--net tap={}: not a tap{}", wanted,
                        count > 1 ? " with several queues ('multi_queue' in 'ip tuntap add')" : "");
    }
    return UsageError("--net tap{}{}: {}", made_ ? "" : "=", made_ ? "" : wanted, Reason(error));
  }
  name_ = request.ifr_name;
  int header_bytes = sizeof(virtio_net_hdr);
  if (ioctl(queue.get(), TUNSETVNETHDRSZ, &header_bytes) != 0) {
    return HostError("tap {}: the host's kernel does not take offloads: {}", name_, Reason(errno));
  }
  return queue;
}

Result<void> TapLink::OpenQueues(const TapNet& tap, unsigned count) {
  if (tap.name.size() >= IFNAMSIZ) {
    return UsageError("--net tap={}: a tap's name has at most {} characters", tap.name,
                      IFNAMSIZ - 1);
  }
  made_ = tap.name.empty() || if_nametoindex(tap.name.c_str()) == 0;
  multi_queue_ = count > 1;
  name_ = tap.name.empty() ? kNewName : tap.name;
  for (unsigned i = 0; i < count; ++i) {
    VENEER_TRY_ASSIGN(UniqueFd queue, OpenQueue(name_, count));
    queues_.push_back(std::move(queue));
  }
  return {};
}

Result<void> TapLink::SetMtu(int control, std::uint32_t mtu) {
  ifreq request = Request(name_);
  if (ioctl(control, SIOCGIFMTU, &request) != 0) {
    return HostError("tap {}: cannot read its MTU: {}", name_, Reason(errno));
  }
  // Only root may set it, and an MTU that is right needs no root.
  if (mtu != 0 && request.ifr_mtu != static_cast<int>(mtu)) {
    request.ifr_mtu = static_cast<int>(mtu);
    if (ioctl(control, SIOCSIFMTU, &request) != 0) {
      return UsageError("--net tap: cannot give {} an MTU of {}: {}", name_, mtu, Reason(errno));
    }
  }
  mtu_ = static_cast<std::uint32_t>(request.ifr_mtu);
  return {};
}

Result<void> TapLink::PutUp(const TapNet& tap, const NetConfig& config) {
  const UniqueFd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!control.valid()) {
    return HostError("cannot make a socket: {}", Reason(errno));
  }
  VENEER_TRY(SetMtu(control.get(), config.mtu));
  if (!tap.bridge.empty()) {
    ifreq request = Request(tap.bridge);
    request.ifr_ifindex = static_cast<int>(if_nametoindex(name_.c_str()));
    constexpr unsigned long kAddToBridge = 0x89a2;  // SIOCBRADDIF of <linux/sockios.h>
    if (if_nametoindex(tap.bridge.c_str()) == 0) {
      return UsageError(
          "--net bridge={}: there is no such bridge; 'ip link add {} type bridge' "
          "makes one",
          tap.bridge, tap.bridge);
    }
    // EBUSY: it is in a bridge already; the user's own tap may be.
    if (ioctl(control.get(), kAddToBridge, &request) != 0 && (made_ || errno != EBUSY)) {
      return UsageError("--net bridge={}: cannot add {}: {}", tap.bridge, name_, Reason(errno));
    }
  }
  ifreq request = Request(name_);
  if (ioctl(control.get(), SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP) == 0) {
    request.ifr_flags |= IFF_UP;
    if (ioctl(control.get(), SIOCSIFFLAGS, &request) != 0) {
      return UsageError(
          "--net tap: {} is down, and putting it up failed: {}; "
          "'ip link set {} up' as root",
          name_, Reason(errno), name_);
    }
  }
  if (tap.script.empty()) {
    return {};
  }
  VENEER_TRY_ASSIGN(
      const auto script,
      ChildProcess::Start({.program = tap.script, .arguments = {name_}, .cleans_up = true}));
  const ChildProcess::Outcome& outcome = script->Wait();
  if (!outcome.succeeded()) {
    return UsageError("--net script={}: it failed for {}{}{}", tap.script, name_,
                      outcome.complaint.empty() ? "" : ": ", outcome.complaint);
  }
  return {};
}

Result<void> TapLink::SetReceiverOffloads(const NetOffloads& offloads) {
  unsigned long flags = 0;
  if (offloads.checksum) {
    flags |= TUN_F_CSUM;
    flags |= offloads.tso4 ? TUN_F_TSO4 : 0U;
    flags |= offloads.tso6 ? TUN_F_TSO6 : 0U;
  }
  // They are the device's, but only a queue at work can be asked.
  const int queue = queues_.front().get();
  const bool woken = multi_queue_ && SwitchQueue(queue, true);
  const bool set = ioctl(queue, TUNSETOFFLOAD, flags) == 0;
  const int error = errno;
  if (woken) {
    SwitchQueue(queue, false);
  }
  if (!set) {
    return HostError("tap {}: cannot set offloads: {}", name_, Reason(error));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<NetLink>> OpenTapLink(const TapNet& tap, const NetConfig& config) {
  VENEER_TRY_ASSIGN(std::unique_ptr<TapLink> link, TapLink::Open(tap, config));
  LogInfo("NIC: on tap {}", link->facts().name);
  return link;
}

}  // namespace veneer
