// The first disk of a PIIX3's primary channel, by bus master DMA: ring 0 finds it, and the commands
// are ring 3's. It has no interrupts: a handler would be ring 0's, which some hosts interpret.
#pragma once

#include <stdint.h>

#include "block_plan.h"

namespace micro {

class IdeDisk {
 public:
  // By ring 0. False, with a failed check, if there is none.
  bool Find();
  uint64_t sectors() const { return sectors_; }

  // Where the next transfers are to go, in regions of 64 KiB. `data` has this alignment.
  void SetMemory(uintptr_t data, uint32_t bytes);
  // Adds a region instead: the same memory, over and over, makes a long transfer.
  void AddMemory(uintptr_t data, uint32_t bytes);
  void Begin(bool write, uint64_t sector, uint32_t sectors);
  // Waits for its end. nullptr, or what went wrong.
  const char* Finish();

  bool busy() { return (In(kAlternateStatus) & kBusy) != 0; }
  uint8_t In(uint16_t port) {
    ++exits_;
    return In8(port);
  }
  void Out(uint16_t port, uint8_t value) {
    ++exits_;
    Out8(port, value);
  }
  uint32_t exits() const { return exits_; }
  uint16_t bus_master() const { return bus_master_; }

  static constexpr uint16_t kCommands = 0x1f0;  // to 0x1f7
  static constexpr uint16_t kAlternateStatus = 0x3f6;
  static constexpr uint8_t kBusy = 0x80;

 private:
  bool Identify();

  uint16_t bus_master_ = 0;
  uint64_t sectors_ = 0;
  uint32_t regions_ = 0;
  uint32_t exits_ = 0;  // register accesses
};

// In ring 3: makes the requests of `work` one after the other, and counts.
void RunIdeWork(IdeDisk& disk, BlockWork& work);

}  // namespace micro
