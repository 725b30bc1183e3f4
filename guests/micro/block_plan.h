// Which blocks of a disk are read or written, and what is in them, whatever kind of disk it is.
#pragma once

#include <stdint.h>

#include "arch.h"
#include "pv_device.h"
#include "stretch.h"

namespace micro {

inline constexpr uint32_t kSectorBytes = 512;
inline constexpr uint32_t kSectorsPerPage = kPageSize / kSectorBytes;
// Where the data of requests is: in large pages of its own.
inline constexpr uintptr_t kBlockData = kDeviceArea + 0x200000;
// Requests of all slots together.
inline constexpr uint32_t kMostBlockPages = 2048;

struct BlockWork : Work {
  bool write = false;
  bool random = false;
  bool check = false;     // writes BlockPattern(), or compares with it what was read
  uint32_t pages = 1;     // of 4 KiB, per request
  uint32_t depth = 1;     // requests under way
  uint64_t blocks = 0;    // of `pages` each, from the disk's start on
  uint64_t requests = 0;  // 0: until time is over
  // Instead of the rest, on PV disks: one block is written, and flushed.
  bool flush = false;
  uint64_t first_block = 0;
};

// The word at byte `at` of a disk written with `check`.
inline uint64_t BlockPattern(uint64_t at) { return (at / 8 + 1) * 0x9e3779b97f4a7c15; }

class BlockPlan {
 public:
  BlockPlan(const BlockWork& work, const Stretch& stretch)
      : work_(work), stretch_(stretch), next_block_(work.first_block) {}

  bool MoreToStart() const {
    return work_.requests != 0 ? started_ < work_.requests : !stretch_.over();
  }
  // The block of one more request, whose data is made ready: what to write, or what reading must
  // change.
  uint64_t Start(uint32_t slot) {
    ++started_;
    const uint64_t block = NextBlock();
    if (work_.check) {
      auto* words = reinterpret_cast<volatile uint64_t*>(DataOf(slot));
      for (uint64_t at = 0; at < bytes(); at += 8) {
        words[at / 8] = work_.write ? BlockPattern(block * bytes() + at) : 0;
      }
    }
    return block;
  }
  // Of a request that has ended well.
  bool DataIsRight(uint32_t slot, uint64_t block) const {
    if (!work_.check || work_.write) {
      return true;
    }
    const auto* words = reinterpret_cast<const volatile uint64_t*>(DataOf(slot));
    for (uint64_t at = 0; at < bytes(); at += 8) {
      if (words[at / 8] != BlockPattern(block * bytes() + at)) {
        return false;
      }
    }
    return true;
  }
  uintptr_t DataOf(uint32_t slot) const { return kBlockData + slot * bytes(); }
  uint64_t SectorOf(uint64_t block) const { return block * work_.pages * kSectorsPerPage; }

 private:
  uint64_t bytes() const { return uint64_t{work_.pages} * kPageSize; }
  // Numbers of no quality, but without division or much of a state.
  uint64_t Random() {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    return random_;
  }
  uint64_t NextBlock() {
    if (work_.random) {
      return Random() % work_.blocks;
    }
    const uint64_t block = next_block_;
    next_block_ = next_block_ + 1 == work_.blocks ? 0 : next_block_ + 1;
    return block;
  }

  const BlockWork& work_;
  const Stretch& stretch_;
  uint64_t next_block_;
  uint64_t started_ = 0;
  uint64_t random_ = 88172645463325252;
};

}  // namespace micro
