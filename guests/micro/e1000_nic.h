// The first 82540EM: ring 0 finds it, and its rings are ring 3's. Without interrupts: what is done
// is seen in the descriptors, and a handler would be ring 0's, which some hosts interpret.
#pragma once

#include <stdint.h>

#include "net_plan.h"

namespace micro {

// As the NIC has them (Software Developer's Manual, 3.2.3 and 3.3): the last eight bytes differ
// from kind to kind.
struct E1000Descriptor {
  uint64_t address;
  uint32_t length;  // and, in those to send, type and command
  uint8_t status;
  uint8_t errors_or_options;
  uint16_t special;
};

class E1000Nic {
 public:
  static constexpr uint32_t kDescriptors = 256;
  static constexpr uint32_t kBufferBytes = 2048;
  // Registers.
  static constexpr uint32_t kStatus = 0x0008;
  static constexpr uint32_t kTxHead = 0x3810;
  static constexpr uint32_t kTxTail = 0x3818;
  static constexpr uint32_t kRxTail = 0x2818;

  // By ring 0. False, with a failed check, if there is none.
  bool Find();
  uint32_t device() const { return device_; }
  // One way at a time: buffers for the whole ring, or a ring with nothing to send.
  void StartSending();
  void StartReceiving();

  // Puts a frame of `work` into the ring, once more. There is room for slots(work) descriptors.
  void Put(const NetWork& work);
  static uint32_t slots(const NetWork& work);
  static volatile E1000Descriptor& Sent(uint32_t index);
  static volatile E1000Descriptor& Received(uint32_t index);
  static constexpr uint8_t kDone = 0x01;
  static constexpr uint8_t kEndOfPacket = 0x02;
  // The descriptor that Put() fills next, of all since StartSending().
  uint32_t put() const { return put_; }

  // Each leaves the guest.
  uint32_t Read(uint32_t offset) { return *At(offset); }
  void Write(uint32_t offset, uint32_t value) {
    Barrier();
    *At(offset) = value;
  }

 private:
  volatile uint32_t* At(uint32_t offset) const {
    // Mapped one to one, as all below 4 GiB.
    return reinterpret_cast<volatile uint32_t*>(registers_ + offset);
  }
  void Reset();
  void SetRing(uint32_t first_register, uintptr_t ring);

  uintptr_t registers_ = 0;
  uint32_t device_ = 0;
  uint32_t put_ = 0;
};

// In ring 3: moves frames and counts.
void RunE1000Work(E1000Nic& nic, NetWork& work);

}  // namespace micro
