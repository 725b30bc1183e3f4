// One request of the guest's on its way through the disk.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "veneer/host/disk/disk_image.h"
#include "veneer/xencompat/gnttab/pinned_grant.h"

namespace veneer {

// Reused, so that a busy queue allocates nothing.
struct BlockJob : DiskOperation {
  std::uint64_t id = 0;
  std::uint8_t operation = 0;  // to repeat in the response
  std::uint64_t bytes = 0;     // of the whole transfer
  std::uint32_t segments = 0;
  std::uint64_t start_ns = 0;
  std::vector<PinnedGrant> grants;  // what `buffers` points into
  // One after the other; a transfer uses the DiskOperation's range, whatever comes before it.
  std::array<DiskAction, 3> steps{};
  std::size_t step_count = 0;
  std::size_t step = 0;

  void AddStep(DiskAction step_action) { steps.at(step_count++) = step_action; }
};

// Lends jobs out and keeps those that come back. Belongs to one thread.
class BlockJobPool {
 public:
  BlockJob& Take() {
    if (free_.empty()) {
      free_.push_back(jobs_.emplace_back(std::make_unique<BlockJob>()).get());
    }
    BlockJob& job = *free_.back();
    free_.pop_back();
    job.buffers.clear();
    job.step = 0;
    job.step_count = 0;
    job.bytes = 0;
    job.segments = 0;
    job.error = 0;
    ++lent_;
    return job;
  }
  // Its grants are released.
  void GiveBack(BlockJob& job) {
    free_.push_back(&job);
    --lent_;
  }
  std::size_t lent() const { return lent_; }

 private:
  std::vector<std::unique_ptr<BlockJob>> jobs_;
  std::vector<BlockJob*> free_;
  std::size_t lent_ = 0;
};

}  // namespace veneer
