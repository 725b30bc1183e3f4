// The rings of a PV NIC's queue, after <xen/io/netif.h>.
#pragma once

#include <cstdint>

#include "veneer/backends/bus/back_ring.h"
#include "veneer/xencompat/abi/xen_headers.h"

// clang-format off: only after the wrapped headers above
#include <xen/io/netif.h>
// clang-format on

namespace veneer {

// A slot of the guest's transmit ring holds a request or, after one that says so, a
// netif_extra_info.
using TxRing = BackRing<netif_tx_request, netif_tx_response>;
// A response slot of the receive ring holds a response or, after one that says so, a
// netif_extra_info: both are 8 bytes.
using RxRing = BackRing<netif_rx_request, netif_rx_response>;

static_assert(sizeof(netif_extra_info) <= sizeof(netif_tx_request));
static_assert(sizeof(netif_extra_info) == sizeof(netif_rx_response));

// Data slots that one frame may take, either way: what every front-end and back-end can do.
inline constexpr std::size_t kMaxFrameSlots = XEN_NETIF_NR_SLOTS_MIN;

}  // namespace veneer
