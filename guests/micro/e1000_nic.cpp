#include "e1000_nic.h"

#include "pci.h"
#include "report.h"

namespace micro {
namespace {

constexpr uint32_t k82540 = 0x100e8086;
constexpr uint32_t kMask = E1000Nic::kDescriptors - 1;

// Registers, and their bits.
constexpr uint32_t kControl = 0x0000;
constexpr uint32_t kInterruptMaskClear = 0x00d8;
constexpr uint32_t kRxControl = 0x0100;
constexpr uint32_t kTxControl = 0x0400;
constexpr uint32_t kRxRing = 0x2800;
constexpr uint32_t kTxRing = 0x3800;
constexpr uint32_t kReset = 1U << 26;
constexpr uint32_t kLinkUp = 0x02;
constexpr uint32_t kEnable = 0x02;
constexpr uint32_t kAllUnicast = 0x08;
constexpr uint32_t kStripCrc = 1U << 26;
constexpr uint32_t kPadShort = 0x08;

// Commands and types of descriptors to send, in the dword with the length.
constexpr uint32_t kEop = 0x01U << 24;
constexpr uint32_t kAddCrc = 0x02U << 24;
constexpr uint32_t kReport = 0x08U << 24;
constexpr uint32_t kExtended = 0x20U << 24;
constexpr uint32_t kSegment = 0x04U << 24;
constexpr uint32_t kContextIsIpv4Tcp = 0x03U << 24;
constexpr uint32_t kData = 1U << 20;
constexpr uint8_t kBothChecksums = 0x03;

// One page of descriptors each way.
constexpr uintptr_t kTxRingAt = kDeviceArea;
constexpr uintptr_t kRxRingAt = kDeviceArea + kPageSize;
static_assert(sizeof(E1000Descriptor) == 16);
static_assert(E1000Nic::kDescriptors * sizeof(E1000Descriptor) == kPageSize);

volatile E1000Descriptor& DescriptorAt(uintptr_t ring, uint32_t index) {
  return reinterpret_cast<volatile E1000Descriptor*>(ring)[index & kMask];
}

// How much one descriptor names, as drivers have it.
constexpr uint32_t kMostInDescriptor = kPageSize;

class Driver {
 public:
  Driver(E1000Nic& nic, NetWork& work) : nic_(nic), work_(work), stretch_(work, nullptr) {
    if (!work.send) {
      nic.StartReceiving();
      return;
    }
    FillFrame(reinterpret_cast<uint8_t*>(kNetData), work);
    nic.StartSending();
    const uint32_t half = (E1000Nic::kDescriptors - 1) / 2 / E1000Nic::slots(work);
    batch_ = half < kMostInBatch ? half : kMostInBatch;
  }

  void Run() { RunDriver(*this, stretch_, kPatienceNs); }

  bool More() const { return !stretch_.over(); }
  bool Step() { return work_.send ? Send() : Receive(); }
  void Wait() {
    if (work_.send) {
      stretch_.Fail("nothing is sent any more");
    }
  }

 private:
  // Frames for one write of the tail.
  static constexpr uint32_t kMostInBatch = 16;
  static constexpr uint32_t kReturnedAtOnce = E1000Nic::kDescriptors / 4;

  bool Send() {
    bool any = false;
    const uint32_t slots = E1000Nic::slots(work_);
    while (taken_ != nic_.put() &&
           (E1000Nic::Sent(taken_ + slots - 1).status & E1000Nic::kDone) != 0) {
      taken_ += slots;
      ++stretch_.counts.done;
      stretch_.counts.bytes += work_.bytes;
      any = true;
    }
    // A ring that is full to the last descriptor would look empty.
    while (E1000Nic::kDescriptors - 1 - (nic_.put() - taken_) >= batch_ * slots) {
      for (uint32_t i = 0; i < batch_; ++i) {
        nic_.Put(work_);
      }
      Tell(E1000Nic::kTxTail, nic_.put());
      any = true;
    }
    return any;
  }

  bool Receive() {
    bool any = false;
    for (;; ++taken_) {
      volatile E1000Descriptor& descriptor = E1000Nic::Received(taken_);
      const uint8_t status = descriptor.status;
      if ((status & E1000Nic::kDone) == 0) {
        break;
      }
      Barrier();
      any = true;
      stretch_.counts.bytes += descriptor.length & 0xffff;
      stretch_.counts.done += (status & E1000Nic::kEndOfPacket) != 0 ? 1 : 0;
      descriptor.status = 0;
      if (taken_ - returned_ == kReturnedAtOnce) {
        returned_ = taken_;
        Tell(E1000Nic::kRxTail, returned_ - 1);
      }
    }
    return any;
  }

  void Tell(uint32_t tail, uint32_t index) {
    nic_.Write(tail, index & kMask);
    ++stretch_.counts.exits;
  }

  E1000Nic& nic_;
  NetWork& work_;
  Stretch stretch_;
  uint32_t batch_ = 0;     // frames
  uint32_t taken_ = 0;     // descriptors that the NIC is done with
  uint32_t returned_ = 0;  // received ones that it has again
};

}  // namespace

bool E1000Nic::Find() {
  device_ = FindPci(k82540);
  if (!CheckTrue("e1000/device", device_ != kNoDevice)) {
    return false;
  }
  EnablePci(device_);
  registers_ = ReadConfig(device_, kPciBar0) & ~15U;
  return CheckTrue("e1000/registers", registers_ != 0) &&
         CheckTrue("e1000/link", (Read(kStatus) & kLinkUp) != 0);
}

volatile E1000Descriptor& E1000Nic::Sent(uint32_t index) { return DescriptorAt(kTxRingAt, index); }
volatile E1000Descriptor& E1000Nic::Received(uint32_t index) {
  return DescriptorAt(kRxRingAt, index);
}

void E1000Nic::Reset() {
  Write(kControl, Read(kControl) | kReset);
  Write(kInterruptMaskClear, ~0U);
}

void E1000Nic::SetRing(uint32_t first_register, uintptr_t ring) {
  Write(first_register, static_cast<uint32_t>(ring));
  Write(first_register + 0x04, 0);
  Write(first_register + 0x08, kDescriptors * sizeof(E1000Descriptor));
  Write(first_register + 0x10, 0);
  Write(first_register + 0x18, 0);
}

void E1000Nic::StartSending() {
  Reset();
  SetRing(kTxRing, kTxRingAt);
  put_ = 0;
  Write(kTxControl, kEnable | kPadShort);
}

void E1000Nic::StartReceiving() {
  Reset();
  SetRing(kRxRing, kRxRingAt);
  for (uint32_t i = 0; i < kDescriptors; ++i) {
    Received(i).address = kNetData + uintptr_t{i} * kBufferBytes;
    Received(i).status = 0;
  }
  Write(kRxControl, kEnable | kAllUnicast | kStripCrc);
  Write(kRxTail, kDescriptors - 1);
}

uint32_t E1000Nic::slots(const NetWork& work) {
  return (work.bytes + kMostInDescriptor - 1) / kMostInDescriptor + (work.segmented ? 1 : 0);
}

void E1000Nic::Put(const NetWork& work) {
  const uint32_t kind = work.segmented ? kExtended | kData | kSegment : 0;
  if (work.segmented) {
    volatile E1000Descriptor& context = Sent(put_++);
    // Start, place of the checksum, and end, of IP's and of TCP's checksum.
    constexpr uint64_t kIpSum = kIpAt | (kIpAt + 10) << 8 | (kTransportAt - 1) << 16;
    constexpr uint64_t kTcpSum = kTransportAt | (kTransportAt + 16) << 8;
    context.address = kIpSum | kTcpSum << 32;
    context.length = (work.bytes - kTcpHeadersEnd) | kExtended | kSegment | kContextIsIpv4Tcp;
    context.status = 0;
    context.errors_or_options = kTcpHeadersEnd;
    context.special = kSegmentBytes;
  }
  for (uint32_t at = 0; at < work.bytes; at += kMostInDescriptor) {
    const uint32_t left = work.bytes - at;
    const bool last = left <= kMostInDescriptor;
    volatile E1000Descriptor& descriptor = Sent(put_++);
    descriptor.address = kNetData + at;
    descriptor.length = (last ? left | kEop | kReport : kMostInDescriptor) | kind | kAddCrc;
    descriptor.status = 0;
    descriptor.errors_or_options = work.segmented ? kBothChecksums : 0;
    descriptor.special = 0;
  }
}

void RunE1000Work(E1000Nic& nic, NetWork& work) {
  Driver driver(nic, work);
  driver.Run();
}

}  // namespace micro
