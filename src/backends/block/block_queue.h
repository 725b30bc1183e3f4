// One ring of a disk being served: takes requests, checks them, moves data between granted pages
// and the image, answers.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "block_job.h"
#include "block_ring.h"
#include "disk_state.h"
#include "veneer/backends/bus/polled_queue.h"
#include "veneer/vmm/base/event_loop.h"
#include "veneer/xencompat/evtchn/bound_port.h"
#include "veneer/xencompat/gnttab/grant_table.h"

namespace veneer {

// Segments in one indirect request, and under way in one queue: 8 MiB.
inline constexpr std::uint32_t kMaxIndirectSegments = 256;
inline constexpr std::uint32_t kMaxSegmentsUnderWay = 2048;

// What one connection of a front-end brings for one queue.
struct BlockConnection {
  BlockProtocol protocol = BlockProtocol::k64;
  std::vector<PinnedGrant> ring;
  BoundPort port;
  std::function<void()> on_broken;  // called once, on the queue's thread
};

// Belongs to its worker's thread.
class BlockQueue final : public PolledQueue {
 public:
  BlockQueue(DiskState& disk, GrantTable& grants, EventLoop& loop, DiskChannel& channel,
             BlockConnection connection);
  // Nothing is under way.
  ~BlockQueue() override;

  void Serve() override;
  void Stop(std::function<void()> done) override;
  std::string Report() override;

 private:
  using Segments = std::span<const blkif_request_segment>;

  Look LookForWork(std::uint64_t now_ns);
  bool ReadyToSleep(std::uint64_t now_ns);
  bool MayTake(std::uint64_t now_ns);
  bool TakeRequests(std::uint64_t now_ns);
  void Begin(const BlockRequest& request, std::uint64_t now_ns);
  void BeginIndirect(const BlockRequest& request, std::uint64_t now_ns);
  void BeginDiscard(const BlockRequest& request, std::uint64_t now_ns);
  void BeginFlush(const BlockRequest& request, std::uint64_t now_ns);
  void BeginBarrier(const BlockRequest& request, std::uint64_t now_ns);
  // Checks and maps; nullptr: refused, and answered.
  BlockJob* PrepareTransfer(const BlockRequest& request, DiskAction action, Segments segments,
                            std::uint64_t now_ns);
  BlockJob& NewJob(const BlockRequest& request, std::uint64_t now_ns);
  void MergeSegments(BlockJob& job, Segments segments);
  void Run(BlockJob& job);
  void NextStep(BlockJob& job);
  bool CollectEnded();
  bool RetryHeldBack();
  // Those are answered with the error they had.
  void GiveUpHeldBack();
  void End(BlockJob& job, std::uint64_t now_ns);
  void CountEnd(const BlockJob& job, std::uint64_t now_ns);
  void Refuse(const BlockRequest& request, std::int16_t status, const char* reason);
  bool RangeFits(std::uint64_t sector, std::uint64_t count) const;
  void Publish();
  void Break();
  void FinishStop();

  DiskState& disk_;
  GrantTable& grants_;
  DiskChannel& channel_;
  BlockConnection connection_;
  BlockRing ring_;
  BlockJobPool jobs_;
  std::vector<GrantRef> refs_;                   // reused
  std::vector<blkif_request_segment> indirect_;  // reused
  std::uint32_t segments_under_way_ = 0;
  bool queued_ = false;  // something waits for channel_.Submit()
  bool broken_ = false;
  std::vector<BlockJob*> held_back_;  // failed, and neither answered nor tried again yet
  std::uint64_t retries_seen_;
  // A barrier waits for what is before it, and what is after it waits for the barrier.
  BlockJob* barrier_ = nullptr;
  bool barrier_running_ = false;
  std::function<void()> stopped_;
  bool stopping_ = false;
};

}  // namespace veneer
