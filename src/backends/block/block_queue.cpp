#include "block_queue.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/clock.h"

namespace veneer {
namespace {

constexpr std::uint32_t kSectorsPerPage = kPageSize / 512;
constexpr unsigned kSectorShift = 9;
// Requests taken before the disk gets them and others their answers: half of a small ring, so that
// the guest works on one half while we work on the other.
constexpr unsigned kBatch = 16;
// With this many requests under way the guest need not tell of each further one: they are seen when
// the next one ends.
constexpr std::size_t kBusy = 8;
constexpr std::size_t kSegmentsPerIndirectPage = kPageSize / sizeof(blkif_request_segment);

std::uint64_t Now() { return HostClock().MonotonicNs(); }

std::vector<std::span<std::byte>> PagesOf(const std::vector<PinnedGrant>& grants) {
  std::vector<std::span<std::byte>> pages;
  pages.reserve(grants.size());
  for (const PinnedGrant& grant : grants) {
    pages.push_back(grant.page());
  }
  return pages;
}

}  // namespace

BlockQueue::BlockQueue(DiskState& disk, GrantTable& grants, EventLoop& loop, DiskChannel& channel,
                       BlockConnection connection)
    : PolledQueue(loop, disk.config.poll_us, disk.counters.queues),
      disk_(disk),
      grants_(grants),
      channel_(channel),
      connection_(std::move(connection)),
      ring_(connection_.protocol, PagesOf(connection_.ring)),
      retries_seen_(disk.retries) {}

BlockQueue::~BlockQueue() { VENEER_CHECK(jobs_.lent() == 0); }

void BlockQueue::Serve() {
  channel_.Disarm();
  ServeInTurns([this](std::uint64_t now_ns) { return LookForWork(now_ns); },
               [this](std::uint64_t now_ns) { return ReadyToSleep(now_ns); });
}

PolledQueue::Look BlockQueue::LookForWork(std::uint64_t now_ns) {
  bool progress = RetryHeldBack();
  progress |= CollectEnded();
  progress |= TakeRequests(now_ns);
  if (std::exchange(queued_, false)) {
    channel_.Submit();
    // What the page cache had is there already.
    progress |= CollectEnded();
  }
  Publish();
  if (stopping_ && jobs_.lent() == 0) {
    FinishStop();
    return Look::kOver;
  }
  return progress ? Look::kWorked : Look::kNothing;
}

bool BlockQueue::ReadyToSleep(std::uint64_t now_ns) {
  // Whatever keeps us from taking requests also wakes us when it is over.
  const bool busy = jobs_.lent() >= kBusy;
  const auto enough = static_cast<std::uint32_t>(busy ? jobs_.lent() / 2 : 1);
  if (MayTake(now_ns) && ring_.AskForEvent(enough)) {
    return false;
  }
  if (jobs_.lent() > 0 && channel_.Arm()) {
    channel_.Disarm();
    return false;
  }
  return true;
}

bool BlockQueue::MayTake(std::uint64_t now_ns) {
  if (stopping_ || broken_ || barrier_ != nullptr || WaitsForLimit() ||
      segments_under_way_ >= kMaxSegmentsUnderWay) {
    return false;
  }
  const std::uint64_t delay =
      std::max(disk_.bytes_limit.DelayNs(now_ns), disk_.requests_limit.DelayNs(now_ns));
  if (delay > 0) {
    WaitForLimit(delay, now_ns);
    return false;
  }
  return true;
}

bool BlockQueue::TakeRequests(std::uint64_t now_ns) {
  unsigned taken = 0;
  BlockRequest request;
  while (taken < kBatch && MayTake(now_ns)) {
    const RingTake result = ring_.Take(request);
    if (result == RingTake::kBroken) {
      Break();
      break;
    }
    if (result == RingTake::kNothing) {
      break;
    }
    ++taken;
    disk_.requests_limit.Charge(1, now_ns);
    Begin(request, now_ns);
  }
  return taken > 0;
}

void BlockQueue::Begin(const BlockRequest& request, std::uint64_t now_ns) {
  // A count above the array's size is refused below; it only has to be harmless here.
  const Segments segments =
      Segments(request.segments)
          .first(std::min<std::size_t>(request.segment_count, request.segments.size()));
  switch (request.operation) {
    case BLKIF_OP_READ:
    case BLKIF_OP_WRITE: {
      const DiskAction action =
          request.operation == BLKIF_OP_READ ? DiskAction::kRead : DiskAction::kWrite;
      if (BlockJob* job = PrepareTransfer(request, action, segments, now_ns)) {
        Run(*job);
      }
      return;
    }
    case BLKIF_OP_INDIRECT:
      return BeginIndirect(request, now_ns);
    case BLKIF_OP_DISCARD:
      return BeginDiscard(request, now_ns);
    case BLKIF_OP_FLUSH_DISKCACHE:
      return BeginFlush(request, now_ns);
    case BLKIF_OP_WRITE_BARRIER:
      return BeginBarrier(request, now_ns);
    default:
      return Refuse(request, BLKIF_RSP_EOPNOTSUPP, "no such operation");
  }
}

void BlockQueue::BeginIndirect(const BlockRequest& request, std::uint64_t now_ns) {
  const bool read = request.indirect_operation == BLKIF_OP_READ;
  if (!read && request.indirect_operation != BLKIF_OP_WRITE) {
    return Refuse(request, BLKIF_RSP_EOPNOTSUPP, "no such indirect operation");
  }
  if (request.segment_count == 0 || request.segment_count > kMaxIndirectSegments) {
    return Refuse(request, BLKIF_RSP_ERROR, "a number of indirect segments that is not offered");
  }
  static_assert(kMaxIndirectSegments <= kSegmentsPerIndirectPage, "or look at the other pages too");
  indirect_.resize(request.segment_count);
  const GrantStatus status = grants_.CopyFrom(GrantRef{request.indirect_pages[0]}, 0,
                                              std::as_writable_bytes(std::span(indirect_)));
  if (status != GrantStatus::kOkay) {
    return Refuse(request, BLKIF_RSP_ERROR, "a page of segments that is not granted");
  }
  if (BlockJob* job = PrepareTransfer(request, read ? DiskAction::kRead : DiskAction::kWrite,
                                      indirect_, now_ns)) {
    Run(*job);
  }
}

void BlockQueue::BeginDiscard(const BlockRequest& request, std::uint64_t now_ns) {
  if (disk_.readonly) {
    return Refuse(request, BLKIF_RSP_ERROR, "a discard on a read-only disk");
  }
  if (!disk_.discard) {
    return Refuse(request, BLKIF_RSP_EOPNOTSUPP, "a discard that is not offered");
  }
  if (request.discard_sectors == 0 || !RangeFits(request.sector, request.discard_sectors)) {
    return Refuse(request, BLKIF_RSP_ERROR, "a discard that leaves the disk");
  }
  BlockJob& job = NewJob(request, now_ns);
  job.offset = request.sector << kSectorShift;
  job.length = request.discard_sectors << kSectorShift;
  job.AddStep(DiskAction::kDiscard);
  disk_.bytes_limit.ChargeASecondAtMost(job.length, now_ns);
  Run(job);
}

void BlockQueue::BeginFlush(const BlockRequest& request, std::uint64_t now_ns) {
  if (request.segment_count != 0) {
    // Linux never does; other back-ends write the data after the flush. We refuse, loudly.
    return Refuse(request, BLKIF_RSP_ERROR, "a flush with segments");
  }
  BlockJob& job = NewJob(request, now_ns);
  if (disk_.config.cache != DiskCache::kUnsafe) {
    job.AddStep(DiskAction::kFlush);
  }
  Run(job);
}

void BlockQueue::BeginBarrier(const BlockRequest& request, std::uint64_t now_ns) {
  const bool flush = disk_.config.cache != DiskCache::kUnsafe;
  BlockJob* job = nullptr;
  if (request.segment_count == 0) {
    job = &NewJob(request, now_ns);
    if (flush) {
      job->AddStep(DiskAction::kFlush);
    }
  } else {
    const Segments segments =
        Segments(request.segments)
            .first(std::min<std::size_t>(request.segment_count, request.segments.size()));
    job = PrepareTransfer(request, DiskAction::kWrite, segments, now_ns);
    if (job == nullptr) {
      return;
    }
    if (flush) {
      job->steps = {DiskAction::kFlush, DiskAction::kWrite, DiskAction::kFlush};
      job->step_count = 3;
    }
  }
  barrier_ = job;
  if (jobs_.lent() == 1) {
    barrier_running_ = true;
    Run(*barrier_);
  }
}

BlockJob& BlockQueue::NewJob(const BlockRequest& request, std::uint64_t now_ns) {
  BlockJob& job = jobs_.Take();
  job.id = request.id;
  job.operation = request.AnsweredOperation();
  job.start_ns = now_ns;
  return job;
}

bool BlockQueue::RangeFits(std::uint64_t sector, std::uint64_t count) const {
  const std::uint64_t sectors = disk_.sectors.load(std::memory_order_relaxed);
  return sector <= sectors && count <= sectors - sector;
}

BlockJob* BlockQueue::PrepareTransfer(const BlockRequest& request, DiskAction action,
                                      Segments segments, std::uint64_t now_ns) {
  if (segments.empty() || segments.size() != request.segment_count) {
    Refuse(request, BLKIF_RSP_ERROR, "a number of segments that a request cannot have");
    return nullptr;
  }
  if (action == DiskAction::kWrite && disk_.readonly) {
    Refuse(request, BLKIF_RSP_ERROR, "a write on a read-only disk");
    return nullptr;
  }
  std::uint64_t sectors = 0;
  refs_.clear();
  for (const blkif_request_segment& segment : segments) {
    if (segment.first_sect > segment.last_sect || segment.last_sect >= kSectorsPerPage) {
      Refuse(request, BLKIF_RSP_ERROR, "a segment outside its page");
      return nullptr;
    }
    sectors += segment.last_sect - segment.first_sect + 1U;
    refs_.push_back(GrantRef{segment.gref});
  }
  if (!RangeFits(request.sector, sectors)) {
    Refuse(request, BLKIF_RSP_ERROR, "a transfer that leaves the disk");
    return nullptr;
  }
  BlockJob& job = NewJob(request, now_ns);
  // Reading from the disk writes to the guest's pages.
  const GrantAccess access =
      action == DiskAction::kRead ? GrantAccess::kReadWrite : GrantAccess::kRead;
  if (grants_.MapMany(refs_, access, job.grants) != GrantStatus::kOkay) {
    jobs_.GiveBack(job);
    Refuse(request, BLKIF_RSP_ERROR, "a segment that is not granted");
    return nullptr;
  }
  job.offset = request.sector << kSectorShift;
  job.length = sectors << kSectorShift;
  job.bytes = job.length;
  job.segments = static_cast<std::uint32_t>(segments.size());
  segments_under_way_ += job.segments;
  MergeSegments(job, segments);
  job.AddStep(action);
  disk_.bytes_limit.Charge(job.bytes, now_ns);
  return &job;
}

void BlockQueue::MergeSegments(BlockJob& job, Segments segments) {
  std::uint64_t merges = 0;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const blkif_request_segment& segment = segments[i];
    std::byte* const start =
        job.grants[i].page().data() + (std::size_t{segment.first_sect} << kSectorShift);
    const std::size_t length = (segment.last_sect - segment.first_sect + std::size_t{1})
                               << kSectorShift;
    if (!job.buffers.empty()) {
      iovec& last = job.buffers.back();
      // By address, so that nothing but memory that continues is ever merged.
      if (static_cast<std::byte*>(last.iov_base) + last.iov_len == start) {
        last.iov_len += length;
        ++merges;
        continue;
      }
    }
    job.buffers.push_back(iovec{start, length});
  }
  if (merges > 0) {
    disk_.counters.merges.Add(merges);
  }
}

void BlockQueue::Run(BlockJob& job) {
  if (job.step_count == 0) {
    End(job, job.start_ns);
    return;
  }
  NextStep(job);
}

void BlockQueue::NextStep(BlockJob& job) {
  job.action = job.steps.at(job.step++);
  channel_.Queue(job);
  queued_ = true;
}

bool BlockQueue::CollectEnded() {
  bool any = false;
  for (;;) {
    const std::span<DiskOperation* const> ended = channel_.Collect();
    if (ended.empty()) {
      return any;
    }
    any = true;
    const std::uint64_t now = Now();
    for (DiskOperation* operation : ended) {
      // Every operation this queue hands in is a job.
      auto& job = static_cast<BlockJob&>(*operation);
      if (job.error == 0 && job.step < job.step_count) {
        NextStep(job);
      } else if (job.error != 0 && !stopping_ && disk_.HoldsBack(job.action, job.error)) {
        held_back_.push_back(&job);
      } else {
        End(job, now);
      }
    }
  }
}

bool BlockQueue::RetryHeldBack() {
  const std::uint64_t retries = disk_.retries;
  if (std::exchange(retries_seen_, retries) == retries || held_back_.empty()) {
    return false;
  }
  for (BlockJob* const job : std::exchange(held_back_, {})) {
    if (job->action == DiskAction::kFlush) {
      // What it should have brought to the disk is lost: a second one would only say it is not.
      End(*job, Now());
    } else {
      channel_.Queue(*job);
      queued_ = true;
    }
  }
  return true;
}

void BlockQueue::GiveUpHeldBack() {
  for (BlockJob* const job : std::exchange(held_back_, {})) {
    End(*job, Now());
  }
}

void BlockQueue::End(BlockJob& job, std::uint64_t now_ns) {
  std::int16_t status = BLKIF_RSP_OKAY;
  if (job.error != 0) {
    status = job.error == EOPNOTSUPP ? BLKIF_RSP_EOPNOTSUPP : BLKIF_RSP_ERROR;
    disk_.LogHostError(job.action, job.error);
  } else {
    CountEnd(job, now_ns);
  }
  grants_.ReleaseMany(job.grants);
  segments_under_way_ -= job.segments;
  ring_.Put(job.id, job.operation, status);
  if (&job == barrier_) {
    barrier_ = nullptr;
    barrier_running_ = false;
  }
  jobs_.GiveBack(job);
  if (barrier_ != nullptr && !barrier_running_ && jobs_.lent() == 1) {
    barrier_running_ = true;
    Run(*barrier_);
  }
}

void BlockQueue::CountEnd(const BlockJob& job, std::uint64_t now_ns) {
  DiskCounters& counters = disk_.counters;
  switch (job.operation) {
    case BLKIF_OP_READ:
      counters.reads.Add();
      counters.read_bytes.Add(job.bytes);
      break;
    case BLKIF_OP_WRITE:
    case BLKIF_OP_WRITE_BARRIER:
      counters.writes.Add();
      counters.written_bytes.Add(job.bytes);
      break;
    case BLKIF_OP_FLUSH_DISKCACHE:
      counters.flushes.Add();
      break;
    default:
      counters.discards.Add();
      break;
  }
  counters.CountLatency(now_ns - job.start_ns);
}

void BlockQueue::Refuse(const BlockRequest& request, std::int16_t status, const char* reason) {
  disk_.counters.bad_requests.Add();
  LogGuest(disk_.guest_limiter, "disk {}: request refused: {} (operation {}, sector {})",
           disk_.config.vdev, reason, request.operation, request.sector);
  ring_.Put(request.id, request.AnsweredOperation(), status);
}

void BlockQueue::Publish() {
  if (ring_.unpublished() == 0) {
    return;
  }
  if (ring_.Publish()) {
    disk_.counters.notifications.Add();
    connection_.port.Notify();
  } else {
    disk_.counters.suppressed.Add();
  }
}

void BlockQueue::Break() {
  broken_ = true;
  connection_.on_broken();
}

void BlockQueue::Stop(std::function<void()> done) {
  stopping_ = true;
  stopped_ = std::move(done);
  GiveUpHeldBack();
  Serve();
}

void BlockQueue::FinishStop() {
  if (stopped_) {
    const std::function<void()> done = std::exchange(stopped_, nullptr);
    done();
  }
}

std::string BlockQueue::Report() {
  return fmt::format("port {} of domain 0, {}, {} under way, {} held back{}{}",
                     connection_.port.port().value, ring_.Report(), jobs_.lent(), held_back_.size(),
                     WaitsForLimit() ? ", waits for its rate limit" : "",
                     stopping_ ? ", stopping" : "");
}

}  // namespace veneer
