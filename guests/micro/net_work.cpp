#include "net_work.h"

#include "arch.h"
#include "events.h"
#include "grants.h"
#include "hypercall.h"

namespace micro {
namespace {

constexpr uint32_t kFirstDataRef = kFirstDeviceRef + 2;  // behind the rings
// In large pages of its own.
constexpr uintptr_t kData = kDeviceArea + 0x200000;
constexpr uint32_t kSegmentBytes = 1448;
constexpr uint64_t kPatienceNs = 10'000'000'000;

void Put16(uint8_t* at, uint32_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

// Ethernet, IPv4 and TCP or UDP, from 10.0.9.2 to 10.0.9.1, both of which nobody has to be.
void FillFrame(uint8_t* frame, const NetWork& work) {
  constexpr uint8_t kTo[6] = {0x52, 0x54, 0, 0xaa, 0xbb, 0xcc};
  constexpr uint8_t kFrom[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
  for (uint32_t i = 0; i < sizeof kTo; ++i) {
    frame[i] = kTo[i];
    frame[sizeof kTo + i] = kFrom[i];
  }
  Put16(frame + 12, 0x0800);
  uint8_t* const ip = frame + 14;
  ip[0] = 0x45;
  Put16(ip + 2, work.bytes - 14);
  ip[8] = 64;
  ip[9] = work.segmented ? 6 : 17;
  Put16(ip + 12, 10 << 8);
  Put16(ip + 14, 9 << 8 | 2);
  Put16(ip + 16, 10 << 8);
  Put16(ip + 18, 9 << 8 | 1);
  uint32_t sum = 0;
  for (uint32_t i = 0; i < 20; i += 2) {
    sum += static_cast<uint32_t>(ip[i]) << 8 | ip[i + 1];
  }
  sum = (sum & 0xffff) + (sum >> 16);
  Put16(ip + 10, ~(sum + (sum >> 16)) & 0xffff);
  uint8_t* const transport = ip + 20;
  if (work.segmented) {
    transport[12] = 5 << 4;
  } else {
    Put16(transport + 4, work.bytes - 34);
  }
}

class Driver {
 public:
  Driver(const PvDevice& device, NetTxRing& tx, NetRxRing& rx, NetWork& work)
      : device_(device), tx_(tx), rx_(rx), work_(work) {
    const auto first = static_cast<uint32_t>(kData / kPageSize);
    const uint32_t access = work.send ? GTF_permit_access | GTF_readonly : GTF_permit_access;
    pages_ = work.send ? (work.bytes + kPageSize - 1) / kPageSize : NetRxRing::kEntries;
    for (uint32_t i = 0; i < pages_; ++i) {
      FillGrant(device.grants[kFirstDataRef + i], static_cast<uint16_t>(access), 0, first + i);
    }
    if (work.send) {
      FillFrame(reinterpret_cast<uint8_t*>(kData), work);
    }
  }

  void Run() {
    const volatile uint32_t& events = events_seen[device_.port];
    uint64_t begin = SystemTimeNs() + work_.warm_up_ns;
    bool counting = false;
    uint32_t events_before = 0;
    uint64_t idle_since = SystemTimeNs();
    while (work_.problem == nullptr) {
      const uint64_t now = SystemTimeNs();
      if (!counting && now >= begin) {
        counting = true;
        begin = now;
        work_.frames = 0;
        work_.received_bytes = 0;
        work_.kicks = 0;
        events_before = events;
      } else if (counting && now - begin >= work_.run_ns) {
        work_.ns = now - begin;
        work_.upcalls = events - events_before;
        return;
      }
      if (work_.send ? Send() : Receive()) {
        idle_since = now;
      } else if (now - idle_since >= work_.poll_ns) {
        Sleep();
        idle_since = SystemTimeNs();
      } else {
        asm volatile("pause" : : : "memory");
      }
    }
  }

 private:
  uint32_t slots() const { return pages_ + (work_.segmented ? 1 : 0); }

  // True if anything was done.
  bool Send() {
    bool any = false;
    while (tx_.HasResponse()) {
      const netif_tx_response_t response = tx_.Take();
      any = true;
      if (response.status != NETIF_RSP_OKAY && response.status != NETIF_RSP_NULL) {
        work_.problem = "a frame was refused";
        return true;
      }
      if (++answered_ == slots()) {
        answered_ = 0;
        ++work_.frames;
      }
    }
    bool put = false;
    while (tx_.room() >= slots()) {
      PutFrame();
      put = true;
    }
    if (put && tx_.Push()) {
      Kick();
    }
    return any || put;
  }
  void PutFrame() {
    for (uint32_t i = 0; i < pages_; ++i) {
      volatile netif_tx_request_t& request = tx_.Next<netif_tx_request_t>();
      const uint32_t done = static_cast<uint32_t>(i * kPageSize);
      const uint32_t left = work_.bytes - done;
      uint32_t flags = i + 1 < pages_ ? NETTXF_more_data : 0;
      if (i == 0 && work_.segmented) {
        flags |= NETTXF_csum_blank | NETTXF_data_validated | NETTXF_extra_info;
      }
      request.gref = kFirstDataRef + i;
      request.offset = 0;
      request.flags = static_cast<uint16_t>(flags);
      request.id = static_cast<uint16_t>(i);
      // Of the first slot: the whole frame's.
      request.size = static_cast<uint16_t>(i == 0             ? work_.bytes
                                           : left < kPageSize ? left
                                                              : kPageSize);
      if (i == 0 && work_.segmented) {
        volatile netif_extra_info_t& extra = tx_.Next<netif_extra_info_t>();
        extra.type = XEN_NETIF_EXTRA_TYPE_GSO;
        extra.flags = 0;
        extra.u.gso.size = kSegmentBytes;
        extra.u.gso.type = XEN_NETIF_GSO_TYPE_TCPV4;
        extra.u.gso.pad = 0;
        extra.u.gso.features = 0;
      }
    }
  }

  bool Receive() {
    bool any = false;
    while (rx_.HasResponse()) {
      const netif_rx_response_t response = rx_.Take();
      any = true;
      if (extra_) {
        extra_ = false;
        continue;
      }
      if (response.status < 0) {
        work_.problem = "a buffer was refused";
        return true;
      }
      work_.received_bytes += static_cast<uint32_t>(response.status);
      extra_ = (response.flags & NETRXF_extra_info) != 0;
      work_.frames += (response.flags & NETRXF_more_data) == 0 ? 1 : 0;
    }
    if (rx_.room() >= NetRxRing::kEntries / 4) {
      while (!rx_.Full()) {
        volatile netif_rx_request_t& request = rx_.Next<netif_rx_request_t>();
        request.id = 0;
        request.gref = kFirstDataRef + posted_++ % NetRxRing::kEntries;
      }
      if (rx_.Push()) {
        Kick();
      }
    }
    return any;
  }

  void Kick() {
    ++work_.kicks;
    if (micro::Send(device_.port) != 0) {
      work_.problem = "a kick failed";
    }
  }
  // Until an event comes, and that by an interrupt: what is lost shows as a time-out. Nothing at
  // all to be received is no failure.
  void Sleep() {
    const volatile uint32_t& seen = events_seen[device_.port];
    const uint32_t before = seen;
    if (work_.send ? tx_.AskForEvent(tx_.outstanding() / 2) : rx_.AskForEvent()) {
      return;
    }
    const uint64_t start = SystemTimeNs();
    while (seen == before) {
      asm volatile("pause" : : : "memory");
      if (SystemTimeNs() - start > kPatienceNs) {
        work_.problem = "no upcall came";
        return;
      }
    }
  }

  const PvDevice& device_;
  NetTxRing& tx_;
  NetRxRing& rx_;
  NetWork& work_;
  uint32_t pages_ = 0;     // of a frame to be sent, or to be received into
  uint32_t answered_ = 0;  // slots of a frame
  uint32_t posted_ = 0;
  bool extra_ = false;  // the next response is no frame's
};

}  // namespace

void RunNetWork(const PvDevice& device, NetTxRing& tx, NetRxRing& rx, NetWork& work) {
  work.problem = nullptr;
  Driver driver(device, tx, rx, work);
  driver.Run();
}

}  // namespace micro
