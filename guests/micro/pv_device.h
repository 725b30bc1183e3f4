// What a PV device needs of ring 0, whichever kind it is: the grant table, an event channel, and
// the handshake over xenstore.
#pragma once

#include <stdint.h>

#include "xen.h"

namespace micro {

// Where a front-end's pages are, rings first. 2 MiB behind the hole in the guest's page tables.
inline constexpr uintptr_t kDeviceArea = 0x2000000;
// The first grant that is a device's: behind the reserved ones.
inline constexpr uint32_t kFirstDeviceRef = 8;

struct PvDevice {
  static constexpr uint32_t kPathSize = 128;

  const char* front = nullptr;  // "device/vbd/51712"
  char back[kPathSize] = {};
  grant_entry_v1_t* grants = nullptr;
  uint32_t grant_count = 0;
  uint32_t port = 0;
};

// Finds the device, sets up grants and an event channel and waits until the back-end does for us.
// `device.front` is set. False, with a failed check, if something is missing.
bool OpenDevice(PvDevice& device);
// Grants the first page of the area and those behind it, `count` of them, for rings.
void GrantRings(PvDevice& device, uint32_t count);
bool WriteFront(const PvDevice& device, const char* name, uint32_t value);
bool WriteFront(const PvDevice& device, const char* name, const char* value);
// 0 if there is no such key.
uint32_t ReadBack(const PvDevice& device, const char* name);
// Asks again and again: there is nothing else to do, and each question takes its time.
bool WaitForBack(const PvDevice& device, uint32_t state);
bool CloseDevice(const PvDevice& device);

}  // namespace micro
