// A PV disk as ring 0 finds it. The requests are ring 3's (block_work.h).
#pragma once

#include <stdint.h>

#include "pv_device.h"

namespace micro {

struct BlockDevice : PvDevice {
  uint64_t sectors = 0;
  uint32_t max_indirect = 0;  // segments
};

// Connects the disk "xvda" with a ring in the first page of the area. False, with a failed check,
// if something is missing.
bool ConnectBlock(BlockDevice& device);

}  // namespace micro
