// A stretch of block requests, made in ring 3: the one place where guests run at full speed on
// every host.
#pragma once

#include <stdint.h>

#include "block_device.h"
#include "front_ring.h"

// clang-format off: only after the headers above
#include <xen/io/blkif.h>
// clang-format on

namespace micro {

using BlockRing = FrontRing<blkif_sring_t, 32>;

struct BlockWork {
  // What to do.
  bool write = false;
  bool random = false;
  bool check = false;       // writes BlockPattern(), or compares with it what was read
  uint32_t pages = 1;       // of 4 KiB, per request
  uint32_t depth = 1;       // requests under way
  uint64_t blocks = 0;      // of `pages` each, from the disk's start on
  uint64_t requests = 0;    // 0: until time is over
  uint64_t warm_up_ns = 0;  // not counted, before
  uint64_t run_ns = 0;
  uint64_t poll_ns = 0;  // how long to look at the ring before asking for an event
  // Instead of the rest: one block is written, and flushed.
  bool flush = false;
  uint64_t first_block = 0;
  // What came of it.
  uint64_t answered = 0;
  uint64_t ns = 0;
  uint32_t kicks = 0;
  uint32_t upcalls = 0;
  const char* problem = "it did not end";  // nullptr: none
};

// The word at byte `at` of a disk written with `check`.
inline uint64_t BlockPattern(uint64_t at) { return (at / 8 + 1) * 0x9e3779b97f4a7c15; }

// Requests of all slots together.
inline constexpr uint32_t kMostBlockPages = 2048;

// In ring 3: grants the pages that `work` needs, makes its requests and counts. `ring` has no
// request under way, before and afterwards.
void RunBlockWork(const BlockDevice& device, BlockRing& ring, BlockWork& work);

}  // namespace micro
