// A stretch of Ethernet frames, sent or received in ring 3: the one place where guests run at full
// speed on every host.
#pragma once

#include <stdint.h>

#include "front_ring.h"
#include "pv_device.h"

// clang-format off: only after the headers above
#include <xen/io/netif.h>
// clang-format on

namespace micro {

using NetTxRing = FrontRing<netif_tx_sring_t, 256>;
using NetRxRing = FrontRing<netif_rx_sring_t, 256>;

struct NetWork {
  // What to do.
  bool send = false;        // else receive
  bool segmented = false;   // TCP to be cut by the host into segments of 1448 bytes; else UDP
  uint32_t bytes = 0;       // of one frame to be sent; those received may have any size
  uint64_t warm_up_ns = 0;  // not counted, before
  uint64_t run_ns = 0;
  uint64_t poll_ns = 0;  // how long to look at the ring before asking for an event
  // What came of it.
  uint64_t frames = 0;
  uint64_t received_bytes = 0;
  uint64_t ns = 0;
  uint32_t kicks = 0;
  uint32_t upcalls = 0;
  const char* problem = "it did not end";  // nullptr: none
};

// Bytes that one frame may have.
inline constexpr uint32_t kMostFrame = 65535;

// In ring 3: grants pages, moves frames and counts. Both rings are fresh.
void RunNetWork(const PvDevice& device, NetTxRing& tx, NetRxRing& rx, NetWork& work);

}  // namespace micro
