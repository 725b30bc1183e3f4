// A stretch of Ethernet frames over a PV NIC, sent or received in ring 3: the one place where
// guests run at full speed on every host.
#pragma once

#include <stdint.h>

#include "front_ring.h"
#include "net_plan.h"
#include "pv_device.h"

// clang-format off: only after the headers above
#include <xen/io/netif.h>
// clang-format on

namespace micro {

using NetTxRing = FrontRing<netif_tx_sring_t, 256>;
using NetRxRing = FrontRing<netif_rx_sring_t, 256>;

// In ring 3: grants pages, moves frames and counts. Both rings are fresh.
void RunNetWork(const PvDevice& device, NetTxRing& tx, NetRxRing& rx, NetWork& work);

}  // namespace micro
