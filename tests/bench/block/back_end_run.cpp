#include "back_end_run.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "bench/support/cpu_time.h"
#include "support/block_front_end.h"
#include "support/pv_guest.h"
#include "veneer/backends/block/block_backend.h"
#include "veneer/vmm/base/clock.h"

namespace veneer::bench {
namespace {

using testing::BlockFrontEnd;
using testing::BlockRingGuest;
using testing::PvGuest;

// How long to look for an answer before sleeping. Large requests keep a disk busy for longer than
// looking is worth, and its interrupts need the processor, too.
std::uint64_t LookNs(const Disk& disk, const Workload& workload) {
  if (disk.front_sleeps) {
    return 0;
  }
  return workload.direct && workload.block_bytes > kPageSize ? 200'000 : 1'000'000'000;
}

// What the back-end's threads have used: all but the front-end's own.
double BackEndCpu() { return ProcessCpuSeconds() - ThreadCpuSeconds(); }

class Driver {
 public:
  Driver(PvGuest& guest, BlockRingGuest& queue, const Disk& disk, const Workload& workload)
      : guest_(guest),
        queue_(queue),
        disk_(disk),
        workload_(workload),
        blocks_(disk.bytes / workload.block_bytes),
        started_(workload.depth) {
    const std::uint32_t pages = workload.block_bytes / kPageSize;
    for (unsigned slot = 0; slot < workload.depth; ++slot) {
      std::vector<testing::TestSegment> segments;
      for (std::uint32_t i = 0; i < pages; ++i) {
        segments.push_back({guest.Grant(guest.NewPage())});
      }
      const Gfn list = guest.NewPage();
      lists_.push_back(guest.Grant(list, true));
      if (pages > BLKIF_MAX_SEGMENTS_PER_REQUEST) {
        testing::PutSegments(guest.Page(list), segments);
      }
      segments_.push_back(std::move(segments));
    }
  }

  Outcome Run() {
    for (unsigned slot = 0; slot < workload_.depth; ++slot) {
      Put(slot);
    }
    queue_.Push();
    // Not counted: the first tenth.
    const double warm_up = disk_.seconds / 10;
    const std::uint64_t begin = Now();
    Until(begin + static_cast<std::uint64_t>(warm_up * 1e9));
    const std::uint64_t counted_from = Now();
    answered_ = 0;
    latency_ns_ = 0;
    const std::uint64_t kicks = queue_.kicks;
    const std::uint64_t upcalls = guest_.Count("disk.xvda.notifications");
    const double cpu = BackEndCpu();
    Until(counted_from + static_cast<std::uint64_t>(disk_.seconds * 1e9));
    const double seconds = static_cast<double>(Now() - counted_from) / 1e9;
    const auto count = static_cast<double>(answered_);
    Outcome outcome;
    outcome.requests_per_second = count / seconds;
    outcome.latency_us = static_cast<double>(latency_ns_) / count / 1000;
    outcome.cpu_us = (BackEndCpu() - cpu) * 1e6 / count;
    outcome.kicks = static_cast<double>(queue_.kicks - kicks) / count;
    outcome.upcalls =
        static_cast<double>(guest_.Count("disk.xvda.notifications") - upcalls) / count;
    Drain();
    return outcome;
  }

 private:
  static std::uint64_t Now() { return HostClock().MonotonicNs(); }

  void Put(unsigned slot) {
    const int operation = workload_.write ? BLKIF_OP_WRITE : BLKIF_OP_READ;
    const std::uint64_t block = workload_.random ? Random() % blocks_ : next_++ % blocks_;
    const std::uint64_t sector = block * (workload_.block_bytes / 512);
    const auto& segments = segments_[slot];
    const auto put = [&](const auto& request) {
      started_[slot] = Now();  // as fio does it: when all is prepared
      queue_.Put(request);
    };
    if (segments.size() > BLKIF_MAX_SEGMENTS_PER_REQUEST) {
      put(testing::Indirect(operation, slot, sector, static_cast<std::uint16_t>(segments.size()),
                            lists_[slot]));
    } else {
      put(testing::Transfer(operation, slot, sector, segments));
    }
  }
  std::uint64_t Random() {
    random_ ^= random_ << 13U;
    random_ ^= random_ >> 7U;
    random_ ^= random_ << 17U;
    return random_;
  }
  // Takes what is answered and asks for as much again, as a driver under load does.
  void Until(std::uint64_t deadline) {
    while (Now() < deadline) {
      bool any = false;
      while (queue_.ring().HasResponse()) {
        Take();
        Put(last_slot_);
        any = true;
      }
      if (any) {
        queue_.Push();
      }
      Wait();
    }
  }
  void Take() {
    const blkif_response response = queue_.ring().Take();
    VENEER_CHECK(response.status == BLKIF_RSP_OKAY);
    last_slot_ = static_cast<unsigned>(response.id);
    latency_ns_ += Now() - started_.at(last_slot_);
    ++answered_;
  }
  void Wait() {
    const std::uint64_t until = Now() + LookNs(disk_, workload_);
    while (!queue_.ring().HasResponse()) {
      if (Now() >= until) {
        if (!queue_.ring().AskForEvent()) {
          VENEER_CHECK(guest_.WaitForUpcall());
        }
        return;
      }
      __builtin_ia32_pause();
    }
  }
  void Drain() {
    for (unsigned left = workload_.depth; left > 0; --left) {
      queue_.Wait();
    }
  }

  PvGuest& guest_;
  BlockRingGuest& queue_;
  const Disk& disk_;
  const Workload& workload_;
  const std::uint64_t blocks_;
  std::vector<std::vector<testing::TestSegment>> segments_;
  std::vector<GrantRef> lists_;
  std::vector<std::uint64_t> started_;
  std::uint64_t next_ = 0;
  std::uint64_t random_ = 88172645463325252;
  unsigned last_slot_ = 0;
  std::uint64_t answered_ = 0;
  std::uint64_t latency_ns_ = 0;
};

}  // namespace

Result<Outcome> RunBackEnd(const Disk& disk, const Workload& workload) {
  const std::uint64_t pages = workload.depth * (workload.block_bytes / kPageSize + 1);
  PvGuest guest(pages + 64, static_cast<std::uint32_t>(pages / 512 + 2));
  DiskConfig config;
  config.path = disk.path;
  config.vdev = "xvda";
  config.direct = workload.direct;
  config.poll_us = disk.poll_us;
  VENEER_TRY_ASSIGN(std::unique_ptr<DiskImage> image, OpenDiskImage(config));
  VENEER_TRY_ASSIGN(std::unique_ptr<BlockBackend> backend,
                    BlockBackend::Create(
                        {guest.store, *guest.events, *guest.grants, guest.metrics, guest.poster()},
                        config, std::move(image)));
  guest.StartControl();
  BlockFrontEnd front(guest);
  VENEER_CHECK(front.Connect(1, workload.depth > 32 ? 2 : 0));
  const Outcome outcome = Driver(guest, front.queue(), disk, workload).Run();
  VENEER_CHECK(front.Close());
  guest.StopControl();
  return outcome;
}

}  // namespace veneer::bench
