// What a block front-end has written about its rings.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "block_ring.h"
#include "veneer/xencompat/abi/xen_types.h"
#include "veneer/xencompat/xenstore/client.h"

namespace veneer {

inline constexpr std::uint32_t kMaxRingPageOrder = 4;

struct BlockFrontKeys {
  struct Queue {
    std::vector<GrantRef> ring;
    EvtchnPort port;
  };
  BlockProtocol protocol = BlockProtocol::k64;
  std::vector<Queue> queues;
};

// One snapshot of the keys below `front`. The error names the key that is missing or wrong.
tl::expected<BlockFrontKeys, std::string> ReadBlockFrontKeys(XenstoreClient& store,
                                                             const std::string& front,
                                                             unsigned max_queues);

}  // namespace veneer
