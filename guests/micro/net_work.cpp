#include "net_work.h"

#include "arch.h"
#include "events.h"
#include "grants.h"
#include "hypercall.h"

namespace micro {
namespace {

constexpr uint32_t kFirstDataRef = kFirstDeviceRef + 2;  // behind the rings

class Driver {
 public:
  Driver(const PvDevice& device, NetTxRing& tx, NetRxRing& rx, NetWork& work)
      : device_(device), tx_(tx), rx_(rx), work_(work), stretch_(work, &events_seen[device.port]) {
    const auto first = static_cast<uint32_t>(kNetData / kPageSize);
    const uint32_t access = work.send ? GTF_permit_access | GTF_readonly : GTF_permit_access;
    pages_ = work.send ? (work.bytes + kPageSize - 1) / kPageSize : NetRxRing::kEntries;
    for (uint32_t i = 0; i < pages_; ++i) {
      FillGrant(device.grants[kFirstDataRef + i], static_cast<uint16_t>(access), 0, first + i);
    }
    if (work.send) {
      FillFrame(reinterpret_cast<uint8_t*>(kNetData), work);
    }
  }

  void Run() { RunDriver(*this, stretch_, work_.poll_ns); }

  bool More() const { return !stretch_.over(); }
  bool Step() { return work_.send ? Send() : Receive(); }
  // Nothing at all to be received is no failure, but half of what is being sent must come back.
  void Wait() {
    SleepForEvent(device_.port, stretch_, [this] {
      return work_.send ? tx_.AskForEvent(tx_.outstanding() / 2) : rx_.AskForEvent();
    });
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
        stretch_.Fail("a frame was refused");
        return true;
      }
      if (++answered_ == slots()) {
        answered_ = 0;
        ++stretch_.counts.done;
        stretch_.counts.bytes += work_.bytes;
      }
    }
    bool put = false;
    while (tx_.room() >= slots()) {
      PutFrame();
      put = true;
    }
    if (put && tx_.Push()) {
      Kick(device_.port, stretch_);
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
        stretch_.Fail("a buffer was refused");
        return true;
      }
      stretch_.counts.bytes += static_cast<uint32_t>(response.status);
      extra_ = (response.flags & NETRXF_extra_info) != 0;
      stretch_.counts.done += (response.flags & NETRXF_more_data) == 0 ? 1 : 0;
    }
    if (rx_.room() >= NetRxRing::kEntries / 4) {
      while (!rx_.Full()) {
        volatile netif_rx_request_t& request = rx_.Next<netif_rx_request_t>();
        request.id = 0;
        request.gref = kFirstDataRef + posted_++ % NetRxRing::kEntries;
      }
      if (rx_.Push()) {
        Kick(device_.port, stretch_);
      }
    }
    return any;
  }

  const PvDevice& device_;
  NetTxRing& tx_;
  NetRxRing& rx_;
  NetWork& work_;
  Stretch stretch_;
  uint32_t pages_ = 0;     // of a frame to be sent, or to be received into
  uint32_t answered_ = 0;  // slots of a frame
  uint32_t posted_ = 0;
  bool extra_ = false;  // the next response is no frame's
};

}  // namespace

void RunNetWork(const PvDevice& device, NetTxRing& tx, NetRxRing& rx, NetWork& work) {
  Driver driver(device, tx, rx, work);
  driver.Run();
}

}  // namespace micro
