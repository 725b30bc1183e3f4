// The input is a program of writes to a NIC's rings, to frames, to grants and to the rings'
// indices, of frames that arrive, and of kicks. Whatever the guest does, the link gets frames of a
// possible size from pages that are granted, frames are written to granted pages alone, headers
// that are passed on lie within their frame, and no grant stays mapped.

#include <sys/eventfd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "net_queue.h"
#include "support/fuzz_input.h"
#include "support/net_front_end.h"
#include "support/pv_guest.h"
#include "veneer/base/check.h"
#include "veneer/base/event_fd.h"
#include "veneer/base/log.h"

namespace veneer {
namespace {

using testing::FuzzInput;
using testing::PvGuest;

constexpr std::size_t kDataPages = 4;

bool Within(std::span<const std::byte> memory, const iovec& piece) {
  const auto* const start = static_cast<const std::byte*>(piece.iov_base);
  return start >= memory.data() && start + piece.iov_len <= memory.data() + memory.size();
}

class CheckingChannel final : public NetChannel {
 public:
  CheckingChannel(std::span<std::byte> guest, std::span<std::byte> granted)
      : guest_(guest), granted_(granted), ready_(std::move(*EventFd::Create())) {}

  NetSent Send(const virtio_net_hdr& header, std::span<const iovec> frame) override {
    std::size_t bytes = 0;
    for (const iovec& piece : frame) {
      VENEER_CHECK(piece.iov_len > 0 && (!Within(guest_, piece) || Within(granted_, piece)));
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
      VENEER_CHECK(!Within(guest_, piece) || Within(granted_, piece));
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
  const std::span<std::byte> guest_;
  const std::span<std::byte> granted_;
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
  explicit Harness(bool segments) : segments_(segments) {
    for (auto* ring : {&tx_, &rx_}) {
      ring->page = guest_.NewPage();
      ring->ref = guest_.Grant(ring->page);
    }
    // The fence before and behind is never granted.
    static_cast<void>(guest_.NewPage());
    for (std::size_t i = 0; i < kDataPages; ++i) {
      data_.push_back({guest_.NewPage(), {}});
      data_.back().ref = guest_.Grant(data_.back().page);
    }
    static_cast<void>(guest_.NewPage());
    guest_port_ = *guest_.events->AllocUnbound(DOMID_SELF, kHostDomId.value);
    Connect();
  }
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
        Word((code & 0x80U) != 0 ? tx_ : rx_, code >> 3U & 3U)
            .store(static_cast<std::uint32_t>(input.Take(4)));
        break;
      case 3: {
        // A frame's beginning, or a byte of it.
        const std::span<std::byte> page = guest_.Page(data_[(code >> 3U) % kDataPages].page);
        if ((code & 0x80U) == 0) {
          page[input.Take(2) % kPageSize] = static_cast<std::byte>(input.Take(1));
          break;
        }
        std::array<std::byte, 80> head{};
        input.Fill(head);
        std::copy(head.begin(), head.end(), page.begin());
        break;
      }
      case 4: {
        const Shared& shared = data_[(code >> 3U) % kDataPages];
        guest_.SetGrant(shared.ref, shared.page, static_cast<std::uint32_t>(input.Take(2)),
                        static_cast<std::uint16_t>(code >> 6U));
        break;
      }
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
  struct Shared {
    Gfn page;
    GrantRef ref;
  };

  std::atomic_ref<std::uint32_t> Word(const Shared& ring, std::uint64_t which) {
    return SharedWord<std::uint32_t>(guest_.Page(ring.page).data() + which * 4);
  }
  template <typename Entry>
  void Put(const Shared& ring, const Entry& entry) {
    const std::uint32_t index = Word(ring, 0).load();
    std::memcpy(guest_.Page(ring.page).data() + 64 + (index & 255U) * sizeof entry, &entry,
                sizeof entry);
    Word(ring, 0).store(index + 1);
  }
  void PutTx(FuzzInput& input, bool sensible) {
    netif_tx_request request{};
    if (sensible) {
      const std::uint64_t bits = input.Take(2);
      request.gref = data_[bits % kDataPages].ref.value;
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
    Put(rx_,
        netif_rx_request{.id = static_cast<std::uint16_t>(bits),
                         .pad = 0,
                         .gref = bits == 0xff ? 0xffffffffU : data_[bits % kDataPages].ref.value});
  }
  void Connect() {
    for (const Shared* ring : {&tx_, &rx_}) {
      for (std::uint64_t i = 0; i < 4; ++i) {
        Word(*ring, i).store(static_cast<std::uint32_t>(i % 2));
      }
    }
    const auto port = guest_.events->BindHost(guest_port_, [] {});
    VENEER_CHECK(port.has_value());
    auto channel = std::make_unique<CheckingChannel>(
        guest_.memory->Pin(Gpa{0}, guest_.memory->TotalBytes()),
        guest_.memory->Pin(data_.front().page.Address(), kDataPages * kPageSize));
    channel_ = channel.get();
    queue_ = std::make_unique<NetQueue>(
        nic_, *guest_.grants, *guest_.loop,
        NetConnection{
            .tx_ring = std::move(*guest_.grants->Map(tx_.ref, GrantAccess::kReadWrite)),
            .rx_ring = std::move(*guest_.grants->Map(rx_.ref, GrantAccess::kReadWrite)),
            .tx_port = BoundPort(*guest_.events, *port),
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
  PvGuest guest_{64, 1};
  FixedLink link_;
  NicState nic_{0, Config(), link_, guest_.metrics};
  Shared tx_;
  Shared rx_;
  std::vector<Shared> data_;
  CheckingChannel* channel_ = nullptr;
  EvtchnPort guest_port_;
  std::unique_ptr<NetQueue> queue_;
};

}  // namespace
}  // namespace veneer

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool quiet = veneer::ConfigureLog(veneer::LogLevel::kOff, "").has_value();
  VENEER_CHECK(quiet);
  if (size == 0) {
    return 0;
  }
  veneer::Harness harness((data[0] & 1U) != 0);
  veneer::testing::FuzzInput input(std::span(data, size).subspan(1));
  // Bounds the time for one input, not what it can reach.
  for (int steps = 0; steps < 1000 && !input.empty(); ++steps) {
    harness.Step(input);
  }
  return 0;
}
