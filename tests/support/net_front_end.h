// The guest's side of a PV NIC, as a driver does it, with hands free to misbehave.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "support/pv_front_end.h"
#include "support/pv_guest.h"
#include "support/ring_front_end.h"
#include "veneer/xencompat/abi/xen_headers.h"

// clang-format off: only after the wrapped headers above
#include <xen/io/netif.h>
// clang-format on

namespace veneer::testing {

// One slot of a frame to be sent.
struct TestSlot {
  GrantRef ref;
  unsigned offset = 0;
  unsigned size = 0;
};

// A frame as a driver finds it in its receive ring.
struct TestReceived {
  std::vector<std::byte> bytes;
  std::uint16_t flags = 0;
  unsigned segment_size = 0;
  unsigned segment_type = 0;
  std::size_t slots = 0;
  bool bad = false;  // an error instead of a frame
};

// A front-end of one queue. Belongs to one thread.
class NetQueueGuest {
 public:
  using TxRing = RingFrontEnd<netif_tx_request, netif_tx_response>;
  using RxRing = RingFrontEnd<netif_rx_request, netif_rx_response>;

  NetQueueGuest(PvGuest& guest, bool split_events) : guest_(guest) {
    const Gfn tx = guest.NewPage();
    const Gfn rx = guest.NewPage();
    tx_ref_ = guest.Grant(tx);
    rx_ref_ = guest.Grant(rx);
    tx_ = TxRing({guest.Page(tx)});
    rx_ = RxRing({guest.Page(rx)});
    tx_port_ = *guest.events->AllocUnbound(DOMID_SELF, kHostDomId.value);
    rx_port_ = split_events ? *guest.events->AllocUnbound(DOMID_SELF, kHostDomId.value) : tx_port_;
  }

  GrantRef tx_ref() const { return tx_ref_; }
  GrantRef rx_ref() const { return rx_ref_; }
  EvtchnPort tx_port() const { return tx_port_; }
  EvtchnPort rx_port() const { return rx_port_; }
  TxRing& tx() { return tx_; }
  RxRing& rx() { return rx_; }

  // ---- Transmit.

  // All slots of one frame, and what goes with it, as a driver lays them. PushTx() shows them.
  void PutFrame(const std::vector<TestSlot>& slots, std::uint16_t flags = 0,
                const std::vector<netif_extra_info>& extras = {}) {
    std::size_t total = 0;
    for (const TestSlot& slot : slots) {
      total += slot.size;
    }
    for (std::size_t i = 0; i < slots.size(); ++i) {
      const bool more = i + 1 < slots.size();
      unsigned slot_flags = (i == 0 ? flags : 0U) | (more ? NETTXF_more_data : 0U);
      slot_flags |= i == 0 && !extras.empty() ? NETTXF_extra_info : 0U;
      PutRaw({.gref = slots[i].ref.value,
              .offset = static_cast<std::uint16_t>(slots[i].offset),
              .flags = static_cast<std::uint16_t>(slot_flags),
              .id = next_id_++,
              .size = static_cast<std::uint16_t>(i == 0 ? total : slots[i].size)});
      for (std::size_t k = 0; i == 0 && k < extras.size(); ++k) {
        netif_extra_info extra = extras[k];
        extra.flags = k + 1 < extras.size() ? XEN_NETIF_EXTRA_FLAG_MORE : 0;
        PutExtra(extra);
      }
    }
  }
  void PutRaw(const netif_tx_request& request) { tx_.Put(request); }
  void PutExtra(const netif_extra_info& extra) {
    netif_tx_request slot{};
    std::memcpy(&slot, &extra, sizeof extra);
    tx_.Put(slot);
  }
  void PushTx() {
    if (tx_.Push()) {
      static_cast<void>(guest_.events->Send(tx_port_));
    }
  }
  netif_tx_response WaitTx() {
    Wait(tx_);
    return tx_.Take();
  }
  // Waits for all answers, and returns those that are not NETIF_RSP_NULL.
  std::vector<netif_tx_response> WaitAllTx() {
    std::vector<netif_tx_response> answers;
    while (tx_.outstanding() > 0) {
      if (const netif_tx_response answer = WaitTx(); answer.status != NETIF_RSP_NULL) {
        answers.push_back(answer);
      }
    }
    return answers;
  }

  // ---- Receive.

  // Posts buffers until the ring is full, or `count` of them.
  void Post(std::size_t count = ~std::size_t{0}) {
    for (; count > 0 && !rx_.Full(); --count) {
      const Gfn page = guest_.NewPage();
      buffers_.push_back(page);
      rx_.Put({.id = next_rx_id_++, .pad = 0, .gref = guest_.Grant(page).value});
    }
    PushRx();
  }
  // One that may be no good.
  void PostRaw(GrantRef ref, Gfn page) {
    buffers_.push_back(page);
    rx_.Put({.id = next_rx_id_++, .pad = 0, .gref = ref.value});
  }
  void PushRx() {
    if (rx_.Push()) {
      static_cast<void>(guest_.events->Send(rx_port_));
    }
  }
  // The next frame, waited for. CHECKs that its slots are laid out as <xen/io/netif.h> says.
  TestReceived Receive() {
    TestReceived frame;
    Wait(rx_);
    netif_rx_response answer = rx_.Take();
    frame.flags = answer.flags;
    const bool extra = (answer.flags & NETRXF_extra_info) != 0;
    for (bool first = true;; first = false) {
      if (!first) {
        VENEER_CHECK(rx_.HasResponse());
        answer = rx_.Take();
      }
      VENEER_CHECK(answer.id == next_answered_++);
      const Gfn page = buffers_.at(taken_buffers_++);
      ++frame.slots;
      if (answer.status < 0) {
        frame.bad = true;
        return frame;
      }
      VENEER_CHECK(answer.offset + answer.status <= static_cast<int>(kPageSize));
      const auto part =
          guest_.Page(page).subspan(answer.offset, static_cast<std::size_t>(answer.status));
      frame.bytes.insert(frame.bytes.end(), part.begin(), part.end());
      if (first && extra) {
        TakeExtra(frame);
      }
      if ((answer.flags & NETRXF_more_data) == 0) {
        return frame;
      }
    }
  }

 private:
  void TakeExtra(TestReceived& frame) {
    VENEER_CHECK(rx_.HasResponse());
    const netif_rx_response answer = rx_.Take();
    netif_extra_info info;
    std::memcpy(&info, &answer, sizeof info);
    VENEER_CHECK(info.type == XEN_NETIF_EXTRA_TYPE_GSO && info.flags == 0);
    frame.segment_size = info.u.gso.size;
    frame.segment_type = info.u.gso.type;
    ++next_answered_;
    ++taken_buffers_;
    ++frame.slots;
  }
  template <typename Ring>
  void Wait(Ring& ring) {
    while (!ring.HasResponse()) {
      if (!ring.AskForEvent()) {
        VENEER_CHECK(guest_.WaitForUpcall());
      }
    }
  }

  PvGuest& guest_;
  GrantRef tx_ref_;
  GrantRef rx_ref_;
  TxRing tx_;
  RxRing rx_;
  EvtchnPort tx_port_;
  EvtchnPort rx_port_;
  std::uint16_t next_id_ = 0;
  std::uint16_t next_rx_id_ = 0;
  std::uint16_t next_answered_ = 0;
  std::vector<Gfn> buffers_;  // every one ever posted, in order
  std::size_t taken_buffers_ = 0;
};

// The keys of one NIC and its queues.
class NetFrontEnd : public PvFrontEnd {
 public:
  struct Abilities {
    bool scatter_gather = true;
    bool checksum = true;
    bool segments = true;
    bool multicast_control = false;
    bool split_events = true;
  };

  explicit NetFrontEnd(PvGuest& guest, unsigned number = 0) : PvFrontEnd(guest, "vif", number) {}

  // New rings and their keys, without a word about it.
  void Prepare(unsigned queues, const Abilities& abilities) {
    queues_.clear();
    for (unsigned i = 0; i < queues; ++i) {
      queues_.push_back(std::make_unique<NetQueueGuest>(guest_, abilities.split_events));
      const std::string prefix = queues > 1 ? fmt::format("queue-{}/", i) : "";
      WriteQueue(prefix, *queues_.back(), abilities.split_events);
    }
    Write("multi-queue-num-queues", std::to_string(queues));
    Write("request-rx-copy", "1");
    Write("feature-rx-notify", "1");
    Write("feature-sg", abilities.scatter_gather ? "1" : "0");
    Write("feature-no-csum-offload", abilities.checksum ? "0" : "1");
    Write("feature-ipv6-csum-offload", abilities.checksum ? "1" : "0");
    Write("feature-gso-tcpv4", abilities.segments ? "1" : "0");
    Write("feature-gso-tcpv6", abilities.segments ? "1" : "0");
    Write("request-multicast-control", abilities.multicast_control ? "1" : "0");
  }
  // As Linux does it: from InitWait straight to Connected.
  bool Connect(unsigned queues, const Abilities& abilities) {
    if (!WaitForBack(XenbusState::kInitWait)) {
      return false;
    }
    Prepare(queues, abilities);
    Say(XenbusState::kConnected);
    return WaitForBack(XenbusState::kConnected);
  }
  bool Connect(unsigned queues = 1) { return Connect(queues, Abilities{}); }
  NetQueueGuest& queue(std::size_t index = 0) { return *queues_.at(index); }

 private:
  void WriteQueue(const std::string& prefix, const NetQueueGuest& queue, bool split) {
    Write(prefix + "tx-ring-ref", std::to_string(queue.tx_ref().value));
    Write(prefix + "rx-ring-ref", std::to_string(queue.rx_ref().value));
    for (const char* key : {"event-channel", "event-channel-tx", "event-channel-rx"}) {
      static_cast<void>(guest_.store.Remove(front() + "/" + prefix + key));
    }
    if (split) {
      Write(prefix + "event-channel-tx", std::to_string(queue.tx_port().value));
      Write(prefix + "event-channel-rx", std::to_string(queue.rx_port().value));
    } else {
      Write(prefix + "event-channel", std::to_string(queue.tx_port().value));
    }
  }

  std::vector<std::unique_ptr<NetQueueGuest>> queues_;
};

inline netif_extra_info SegmentInfo(unsigned size, unsigned type) {
  netif_extra_info extra{};
  extra.type = XEN_NETIF_EXTRA_TYPE_GSO;
  extra.u.gso.size = static_cast<std::uint16_t>(size);
  extra.u.gso.type = static_cast<std::uint8_t>(type);
  return extra;
}
inline netif_extra_info GroupInfo(bool join, const std::array<std::uint8_t, 6>& group) {
  netif_extra_info extra{};
  extra.type = join ? XEN_NETIF_EXTRA_TYPE_MCAST_ADD : XEN_NETIF_EXTRA_TYPE_MCAST_DEL;
  std::copy(group.begin(), group.end(), std::begin(extra.u.mcast.addr));
  return extra;
}

}  // namespace veneer::testing
