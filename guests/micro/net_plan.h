// What is sent or received, and for how long, whatever kind of NIC it is.
#pragma once

#include <stdint.h>

#include "pv_device.h"
#include "stretch.h"

namespace micro {

// Where frames are: in large pages of their own.
inline constexpr uintptr_t kNetData = kDeviceArea + 0x200000;
// Bytes that one frame may have.
inline constexpr uint32_t kMostFrame = 65535;
inline constexpr uint32_t kLongestUsualFrame = 1514;

// What a TCP frame's data is cut into, and where its headers are.
inline constexpr uint32_t kSegmentBytes = 1448;
inline constexpr uint32_t kIpAt = 14;
inline constexpr uint32_t kTransportAt = kIpAt + 20;
inline constexpr uint32_t kTcpHeadersEnd = kTransportAt + 20;

struct NetWork : Work {
  bool send = false;       // else receive
  bool segmented = false;  // TCP to be cut by the host into kSegmentBytes; else UDP
  uint32_t bytes = 0;      // of one frame to be sent; those received may have any size
};

// Ethernet, IPv4 and TCP or UDP, from 10.0.9.2 to 10.0.9.1, both of which nobody has to be. A TCP
// header's checksum is that of the pseudo header without its length, as NICs that cut want it.
void FillFrame(uint8_t* frame, const NetWork& work);

}  // namespace micro
