// A stretch of PV block requests, made in ring 3: the one place where guests run at full speed on
// every host.
#pragma once

#include <stdint.h>

#include "block_device.h"
#include "block_plan.h"
#include "front_ring.h"

// clang-format off: only after the headers above
#include <xen/io/blkif.h>
// clang-format on

namespace micro {

using BlockRing = FrontRing<blkif_sring_t, 32>;

// In ring 3: grants the pages that `work` needs, makes its requests and counts. `ring` has no
// request under way, before and afterwards.
void RunBlockWork(const BlockDevice& device, BlockRing& ring, BlockWork& work);

}  // namespace micro
