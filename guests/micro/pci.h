// PCI configuration space of bus 0, by mechanism 1.
#pragma once

#include <stdint.h>

#include "arch.h"

namespace micro {

inline constexpr uint32_t kPciCommand = 0x04;
inline constexpr uint32_t kPciBar0 = 0x10;
inline constexpr uint32_t kNoDevice = ~0U;

// `device` is its number on the bus; or, with a function, the number and function of PciFunction().
constexpr uint32_t PciFunction(uint32_t device, uint32_t function) {
  return device | function << 16;
}
inline void SelectConfig(uint32_t device, uint32_t offset) {
  Out32(0xcf8, 0x80000000 | (device & 0xff) << 11 | (device >> 16) << 8 | offset);
}
inline uint32_t ReadConfig(uint32_t device, uint32_t offset) {
  SelectConfig(device, offset);
  return In32(0xcfc);
}
inline void WriteConfig(uint32_t device, uint32_t offset, uint32_t value) {
  SelectConfig(device, offset);
  Out32(0xcfc, value);
}

// The first device (function 0) with this identity, device number above vendor; or kNoDevice.
inline uint32_t FindPci(uint32_t identity) {
  for (uint32_t device = 0; device < 32; ++device) {
    if (ReadConfig(device, 0) == identity) {
      return device;
    }
  }
  return kNoDevice;
}

// Lets a device decode its windows and reach memory.
inline void EnablePci(uint32_t device) {
  constexpr uint32_t kPortsMemoryMaster = 7;
  WriteConfig(device, kPciCommand, (ReadConfig(device, kPciCommand) & 0xffff) | kPortsMemoryMaster);
}

}  // namespace micro
