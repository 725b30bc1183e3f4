// A PV disk as ring 0 finds it: the grant table and the handshake over xenstore. The requests are
// ring 3's (block_work.h).
#pragma once

#include <stdint.h>

#include "xen.h"

namespace micro {

// Where the front-end's pages are: the ring, a page of segments per request, the data. 2 MiB behind
// the hole in the guest's page tables.
inline constexpr uintptr_t kBlockArea = 0x2000000;

struct BlockDevice {
  grant_entry_v1_t* grants = nullptr;
  uint32_t grant_count = 0;
  uint32_t port = 0;
  uint64_t sectors = 0;
  uint32_t max_indirect = 0;  // segments
};

// Connects the disk "xvda" with a ring in the first page of the area, `ring_ref` in the grant
// table. False, with a failed check, if something is missing.
bool ConnectBlock(uint32_t ring_ref, BlockDevice& device);
bool CloseBlock();

}  // namespace micro
