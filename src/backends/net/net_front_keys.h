// What a net front-end has written about its rings and itself.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "net_receiver.h"
#include "veneer/xencompat/abi/xen_types.h"
#include "veneer/xencompat/xenstore/client.h"

namespace veneer {

struct NetFrontKeys {
  struct Queue {
    GrantRef tx_ring;
    GrantRef rx_ring;
    EvtchnPort tx_port;
    std::optional<EvtchnPort> rx_port;  // with split event channels
  };
  ReceiveAbilities abilities;
  bool multicast_control = false;
  std::vector<Queue> queues;
};

// One snapshot of the keys below `front`. The error names the key that is missing or wrong.
tl::expected<NetFrontKeys, std::string> ReadNetFrontKeys(XenstoreClient& store,
                                                         const std::string& front,
                                                         unsigned max_queues);

}  // namespace veneer
