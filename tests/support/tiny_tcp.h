// One TCP connection of a guest's, spoken in frames. Knows no retransmission, since nothing is lost
// between it and a link in the same process, and no options but the segment size.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "support/guest_frames.h"

namespace veneer::testing {

// What is sent in either direction: the byte at each place of the stream.
class TcpPattern {
 public:
  TcpPattern() : bytes_(kPeriod + kLongest) {
    std::uint32_t value = 1;
    for (std::size_t i = 0; i < bytes_.size(); ++i) {
      value = i % kPeriod == 0 ? 1 : value;
      value = value * 1664525 + 1013904223;
      bytes_[i] = static_cast<std::byte>(value >> 24U);
    }
  }
  static constexpr std::size_t kLongest = 65536;
  // `size` is at most kLongest.
  std::span<const std::byte> At(std::uint64_t place, std::size_t size) const {
    return std::span(bytes_).subspan(place % kPeriod, size);
  }

 private:
  static constexpr std::size_t kPeriod = 65521;
  std::vector<std::byte> bytes_;
};

inline const TcpPattern& Pattern() {
  static const TcpPattern pattern;
  return pattern;
}

class TinyTcp {
 public:
  struct Outgoing {
    virtio_net_hdr header{};
    std::array<iovec, 2> pieces{};  // valid until the next one
  };

  // Connects to `remote_port`, or, if that is 0, waits for a connection.
  TinyTcp(std::uint16_t local_port, std::uint16_t remote_port, std::uint32_t mtu = 1500,
          std::uint32_t remote = kHostIp)
      : local_port_(local_port),
        remote_port_(remote_port),
        remote_(remote),
        segment_(mtu - 40),
        syn_wanted_(remote_port != 0) {}

  void Send(std::uint64_t bytes) { to_send_ += bytes; }
  // Once everything has been sent.
  void Finish() { finish_ = true; }
  // Whether what comes is compared with the pattern.
  void Check(bool check) { check_ = check; }

  bool established() const { return established_; }
  bool reset() const { return reset_; }
  bool peer_finished() const { return peer_finished_; }
  bool intact() const { return intact_; }
  std::uint64_t acknowledged() const { return acknowledged_; }
  std::uint64_t received() const { return received_; }

  // The next frame to be sent, if there is any.
  std::optional<Outgoing> Next() {
    if (syn_wanted_) {
      syn_wanted_ = false;
      return Make(peer_known_ ? kSyn | kAck : kSyn, 0, {});
    }
    if (!established_) {
      return std::nullopt;
    }
    const std::uint64_t in_flight = sent_ - acknowledged_;
    const std::uint64_t most = std::min<std::uint64_t>(
        {to_send_ - sent_, window_ > in_flight ? window_ - in_flight : 0, segment_});
    // Crumbs wait for more room, as any sender has them do (RFC 1122, silly window).
    if (most > 0 && (most == segment_ || in_flight == 0 || sent_ + most == to_send_)) {
      const auto payload = Pattern().At(sent_, most);
      const std::uint64_t place = sent_;
      sent_ += most;
      return Make(kAck | kPush, place, payload);
    }
    if (finish_ && !finished_ && sent_ == to_send_) {
      finished_ = true;
      return Make(kAck | kFin, sent_, {});
    }
    if (ack_wanted_) {
      return Make(kAck, sent_ + (finished_ ? 1 : 0), {});
    }
    return std::nullopt;
  }

  // False if the frame is not of this connection.
  bool Input(std::span<const std::byte> frame) {
    if (!IsIpv4(frame, kTcp) || At16(frame, kL4Header + 2) != local_port_ ||
        (remote_port_ != 0 && At16(frame, kL4Header) != remote_port_)) {
      return false;
    }
    const std::size_t header = kL4Header + (At8(frame, kL4Header + 12) >> 4U) * 4;
    const std::size_t end = kIpHeader + At16(frame, kIpHeader + 2);
    if (end > frame.size() || header > end) {
      intact_ = false;
      return true;
    }
    Handle(At8(frame, kL4Header + 13), At32(frame, kL4Header + 4), At32(frame, kL4Header + 8),
           At16(frame, kL4Header + 14), At16(frame, kL4Header), At32(frame, kIpHeader + 12),
           frame.subspan(header, end - header));
    return true;
  }

 private:
  static constexpr unsigned kFin = 1;
  static constexpr unsigned kSyn = 2;
  static constexpr unsigned kRst = 4;
  static constexpr unsigned kPush = 8;
  static constexpr unsigned kAck = 16;
  static constexpr std::uint32_t kFirst = 1000;  // the number of our SYN

  void Handle(unsigned flags, std::uint32_t number, std::uint32_t ack, unsigned window,
              unsigned from_port, std::uint32_t from, std::span<const std::byte> payload) {
    if ((flags & kRst) != 0) {
      reset_ = true;
      return;
    }
    if ((flags & kSyn) != 0) {
      next_ = number + 1;
      peer_known_ = true;
      ack_wanted_ = (flags & kAck) != 0;
      syn_wanted_ = !ack_wanted_;
      remote_port_ = static_cast<std::uint16_t>(from_port);
      remote_ = from;
    }
    if ((flags & kAck) != 0) {
      established_ = peer_known_;
      window_ = window;
      const std::uint32_t fresh = ack - (kFirst + 1 + static_cast<std::uint32_t>(acknowledged_));
      const std::uint64_t in_flight = sent_ - acknowledged_;
      // One more is our FIN.
      acknowledged_ += fresh <= in_flight + 1 ? std::min<std::uint64_t>(fresh, in_flight) : 0;
    }
    if ((flags & kSyn) != 0) {
      return;
    }
    if (!payload.empty() && number == next_) {
      intact_ =
          intact_ && (!check_ || payload.size() > TcpPattern::kLongest ||
                      std::memcmp(payload.data(), Pattern().At(received_, payload.size()).data(),
                                  payload.size()) == 0);
      received_ += payload.size();
      next_ += static_cast<std::uint32_t>(payload.size());
    }
    if ((flags & kFin) != 0 && number + payload.size() == next_ && !peer_finished_) {
      peer_finished_ = true;
      ++next_;
    }
    ack_wanted_ = ack_wanted_ || !payload.empty() || (flags & kFin) != 0;
  }

  Outgoing Make(unsigned flags, std::uint64_t place, std::span<const std::byte> payload) {
    constexpr unsigned kWindow = 65535;
    const bool syn = (flags & kSyn) != 0;
    const std::size_t length = (syn ? 24 : 20) + payload.size();
    FrameWriter writer = Ipv4Frame(kTcp, kGuestIp, remote_, length);
    writer.U16(local_port_).U16(remote_port_);
    writer.U32(kFirst + (syn ? 0 : 1 + static_cast<std::uint32_t>(place)));
    writer.U32((flags & kAck) != 0 ? next_ : 0);
    writer.U16((syn ? 6U : 5U) << 12U | flags).U16(kWindow);
    writer.U16(PseudoHeaderSum(kTcp, kGuestIp, remote_, length)).U16(0);
    if (syn) {
      writer.U8(2).U8(4).U16(static_cast<unsigned>(segment_));
    }
    frame_ = writer.frame();
    ack_wanted_ = false;
    Outgoing outgoing;
    outgoing.header = PartialChecksum(kTcpChecksum);
    outgoing.pieces[0] = {frame_.data(), frame_.size()};
    // Never written to.
    outgoing.pieces[1] = {const_cast<std::byte*>(payload.data()), payload.size()};
    return outgoing;
  }

  const std::uint16_t local_port_;
  std::uint16_t remote_port_;
  std::uint32_t remote_;
  const std::uint64_t segment_;
  Frame frame_;
  bool syn_wanted_;
  bool ack_wanted_ = false;
  bool peer_known_ = false;
  bool established_ = false;
  bool reset_ = false;
  bool finish_ = false;
  bool finished_ = false;
  bool peer_finished_ = false;
  bool check_ = true;
  bool intact_ = true;
  std::uint32_t next_ = 0;  // the peer's number that is expected
  std::uint64_t window_ = 0;
  std::uint64_t to_send_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::uint64_t received_ = 0;
};

}  // namespace veneer::testing
