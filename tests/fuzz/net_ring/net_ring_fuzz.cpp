// The input is a program of writes to a NIC's rings, to frames, to grants and to the rings'
// indices, of frames that arrive, and of kicks. Whatever the guest does, the link gets frames of a
// possible size from pages that are granted, frames are written to granted pages alone, headers
// that are passed on lie within their frame, and no grant stays mapped.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>

#include "src/backends/net/net_queue.h"
#include "support/fuzz_ring_guest.h"
#include "support/fuzz_target.h"
#include "support/net_front_end.h"
#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/event_fd.h"

namespace veneer {
namespace {

using testing::FuzzInput;
using testing::FuzzRingGuest;

bool Within(std::span<const std::byte> memory, const iovec& piece) {
  const auto* const start = static_cast<const std::byte*>(piece.iov_base);
  return start >= memory.data() && start + piece.iov_len <= memory.data() + memory.size();
}

class CheckingChannel final : public NetChannel {
 public:
  // The guest has granted `data` and, to be used in any way it likes, its rings.
  CheckingChannel(std::span<std::byte> guest, std::span<std::byte> data, std::span<std::byte> rings)
      : guest_(guest), data_(data), rings_(rings), ready_(std::move(*EventFd::Create())) {}

  NetSent Send(const virtio_net_hdr& header, std::span<const iovec> frame) override {
    std::size_t bytes = 0;
    for (const iovec& piece : frame) {
      VENEER_CHECK(piece.iov_len > 0 && MayTouch(piece));
      for (std::size_t i = 0; i < piece.iov_len; ++i) {
        sum_ = sum_ + static_cast<const unsigned char*>(piece.iov_base)[i];
      }
      bytes += piece.iov_len;
    }
    VENEER_CHECK(bytes >= 14 && bytes <= kMaxFrame);
    if ((header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0) {
      VENEER_CHECK(std::size_t{header.csum_start} + header.csum_offset + 2 <= bytes);
    }
    if (header.gso_type != VIRTIO_NET_HDR_GSO_NONE) {
      VENEER_CHECK(header.gso_size > 0 && header.hdr_len <= bytes);
    }
    return outcome;
  }
  std::optional<std::size_t> Receive(virtio_net_hdr& header, std::span<const iovec> room) override {
    if (arriving == 0) {
      return std::nullopt;
    }
    std::size_t left = std::exchange(arriving, 0);
    const std::size_t whole = left;
    header = {};
    header.gso_type = arriving_type;
    header.gso_size = 1000;
    std::size_t done = 0;
    for (const iovec& piece : room) {
      VENEER_CHECK(MayTouch(piece));
      const std::size_t part = std::min(left, piece.iov_len);
      std::memset(piece.iov_base, 0x55, part);
      left -= part;
      done += part;
    }
    VENEER_CHECK(done <= whole);
    return done;
  }
  bool Arm() override { return false; }
  void OnReady() override {}
  int ready_fd() const override { return ready_.get(); }

  NetSent outcome = NetSent::kSent;
  std::size_t arriving = 0;
  std::uint8_t arriving_type = 0;

 private:
  bool MayTouch(const iovec& piece) const {
    return !Within(guest_, piece) || Within(data_, piece) || Within(rings_, piece);
  }

  const std::span<std::byte> guest_;
  const std::span<std::byte> data_;
  const std::span<std::byte> rings_;
  const EventFd ready_;
  volatile unsigned sum_ = 0;
};

class FixedLink final : public NetLink {
 public:
  Facts facts() const override {
    return {.name = "fixed", .offloads = true, .queues = 1, .mtu = 1500};
  }
  Result<void> SetReceiverOffloads(const NetOffloads&) override { return {}; }
  Result<std::unique_ptr<NetChannel>> OpenChannel(unsigned) override {
    return HostError("not here");
  }
};

NetConfig Config() {
  NetConfig config;
  config.poll_us = 0;
  return config;
}

class Harness {
 public:
  explicit Harness(bool segments) : segments_(segments) { Connect(); }
  ~Harness() { Disconnect(); }

  void Step(FuzzInput& input) {
    const std::uint64_t code = input.Take(1);
    switch (code & 7U) {
      case 0:
        PutTx(input, (code & 8U) != 0);
        break;
      case 1:
        for (std::uint64_t count = 1 + (code >> 3U); count > 0; --count) {
          PutRx(input);
        }
        break;
      case 2:
        guest_.Index((code & 0x80U) != 0 ? tx_ : rx_, code >> 3U & 3U)
            .store(static_cast<std::uint32_t>(input.Take(4)));
        break;
      case 3: {
        // A frame's beginning, or a byte of it.
        if ((code & 0x80U) == 0) {
          guest_.ChangeByte(code >> 3U, input);
          break;
        }
        std::array<std::byte, 80> head{};
        input.Fill(head);
        std::copy(head.begin(), head.end(), guest_.Page(guest_.Data(code >> 3U).page).begin());
        break;
      }
      case 4:
        guest_.ChangeGrant(code >> 3U, input, static_cast<std::uint16_t>(code >> 6U));
        break;
      case 5:
        channel_->arriving = input.Take(2) + 14;
        channel_->arriving_type = (code & 8U) != 0 ? VIRTIO_NET_HDR_GSO_TCPV4 : 0;
        queue_->Serve();
        break;
      case 6:
        if ((code & 0xf8U) == 0) {
          Disconnect();
          Connect();
          break;
        }
        channel_->outcome = static_cast<NetSent>((code >> 3U) % 3U);
        [[fallthrough]];
      default:
        queue_->Serve();
        break;
    }
  }

 private:
  template <typename Entry>
  void Put(const FuzzRingGuest::GrantedPage& ring, const Entry& entry) {
    const std::uint32_t index = guest_.Index(ring, 0).load();
    std::memcpy(guest_.Page(ring.page).data() + 64 + (index & 255U) * sizeof entry, &entry,
                sizeof entry);
    guest_.Index(ring, 0).store(index + 1);
  }
  void PutTx(FuzzInput& input, bool sensible) {
    netif_tx_request request{};
    if (sensible) {
      const std::uint64_t bits = input.Take(2);
      request.gref = guest_.Data(bits).ref.value;
      request.flags = static_cast<std::uint16_t>(bits >> 2U & 15U);
      request.offset = static_cast<std::uint16_t>(bits >> 6U & 63U);
      request.size = static_cast<std::uint16_t>(input.Take(2) % 5000);
    } else {
      std::array<std::byte, sizeof request> bytes{};
      input.Fill(bytes);
      std::memcpy(&request, bytes.data(), sizeof request);
    }
    Put(tx_, request);
  }
  void PutRx(FuzzInput& input) {
    const std::uint64_t bits = input.Take(1);
    Put(rx_, netif_rx_request{.id = static_cast<std::uint16_t>(bits),
                              .pad = 0,
                              .gref = bits == 0xff ? 0xffffffffU : guest_.Data(bits).ref.value});
  }
  void Connect() {
    guest_.ResetIndices(tx_);
    guest_.ResetIndices(rx_);
    auto channel =
        std::make_unique<CheckingChannel>(guest_.memory->Pin(Gpa{0}, guest_.memory->TotalBytes()),
                                          guest_.DataMemory(), guest_.RingMemory());
    channel_ = channel.get();
    queue_ = std::make_unique<NetQueue>(
        nic_, *guest_.grants, *guest_.loop,
        NetConnection{
            .tx_ring = std::move(*guest_.grants->Map(tx_.ref, GrantAccess::kReadWrite)),
            .rx_ring = std::move(*guest_.grants->Map(rx_.ref, GrantAccess::kReadWrite)),
            .tx_port = guest_.BindPort(),
            .rx_port = std::nullopt,
            .abilities = {.scatter_gather = segments_, .offloads = {true, segments_, segments_}},
            .channel = std::move(channel),
            .on_broken = [] {}});
  }
  void Disconnect() {
    queue_->Stop([] {});
    queue_.reset();
    VENEER_CHECK(guest_.grants->mappings() == 0);
  }

  const bool segments_;
  FuzzRingGuest guest_;
  const FuzzRingGuest::GrantedPage& tx_ = guest_.rings[0];
  const FuzzRingGuest::GrantedPage& rx_ = guest_.rings[1];
  FixedLink link_;
  NicState nic_{0, Config(), link_, guest_.metrics};
  CheckingChannel* channel_ = nullptr;
  std::unique_ptr<NetQueue> queue_;
};

}  // namespace
}  // namespace veneer

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  veneer::testing::SilenceLog();
  veneer::testing::FuzzInput input(data, size);
  veneer::Harness harness((input.Take(1) & 1U) != 0);
  veneer::testing::RunSteps(harness, input, 1000);
  return 0;
}
