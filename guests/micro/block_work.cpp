#include "block_work.h"

#include "arch.h"
#include "events.h"
#include "grants.h"
#include "hypercall.h"

namespace micro {
namespace {

constexpr uint32_t kMostSlots = BlockRing::kEntries;
constexpr uint32_t kFirstListRef = kFirstDeviceRef + 1;
constexpr uint32_t kFirstDataRef = kFirstListRef + kMostSlots;
constexpr uintptr_t kLists = kDeviceArea + kPageSize;
// In large pages of its own.
constexpr uintptr_t kData = kDeviceArea + 0x200000;
constexpr uint32_t kSectorsPerPage = kPageSize / 512;
constexpr uint64_t kPatienceNs = 10'000'000'000;

class Driver {
 public:
  Driver(const BlockDevice& device, BlockRing& ring, BlockWork& work)
      : device_(device), ring_(ring), work_(work) {
    for (uint32_t slot = 0; slot < work.depth; ++slot) {
      GrantSlot(slot);
    }
  }

  void Run() {
    const uint32_t seen_before = events_seen[device_.port];
    begin_ns_ = SystemTimeNs() + work_.warm_up_ns;
    StartCounting(seen_before);
    for (uint32_t slot = 0; slot < work_.depth && MoreToStart(); ++slot) {
      Start(slot);
    }
    Push();
    uint64_t idle_since = SystemTimeNs();
    while (under_way_ > 0 && work_.problem == nullptr) {
      const uint64_t now = SystemTimeNs();
      LookAtClock(now);
      if (ring_.HasResponse()) {
        TakeResponses();
        Push();
        idle_since = now;
      } else if (now - idle_since >= work_.poll_ns) {
        Sleep();
        idle_since = SystemTimeNs();
      } else {
        asm volatile("pause" : : : "memory");
      }
    }
    if (!over_) {
      StopCounting(SystemTimeNs());
    }
  }

  void WriteAndFlush() {
    next_block_ = work_.first_block;
    Start(0);
    Finish();
    PutFlush();
    Finish();
  }

 private:
  static uintptr_t DataOf(const BlockWork& work, uint32_t slot) {
    return kData + static_cast<uintptr_t>(slot) * work.pages * kPageSize;
  }
  static blkif_request_segment* ListOf(uint32_t slot) {
    return reinterpret_cast<blkif_request_segment*>(kLists + slot * kPageSize);
  }
  bool indirect() const { return work_.pages > BLKIF_MAX_SEGMENTS_PER_REQUEST; }

  void GrantSlot(uint32_t slot) {
    blkif_request_segment* list = ListOf(slot);
    FillGrant(device_.grants[kFirstListRef + slot], GTF_permit_access | GTF_readonly, 0,
              static_cast<uint32_t>(Word(list) / kPageSize));
    const auto frame = static_cast<uint32_t>(DataOf(work_, slot) / kPageSize);
    for (uint32_t i = 0; i < work_.pages; ++i) {
      const uint32_t ref = kFirstDataRef + slot * work_.pages + i;
      FillGrant(device_.grants[ref], GTF_permit_access, 0, frame + i);
      list[i].gref = ref;
      list[i].first_sect = 0;
      list[i].last_sect = kSectorsPerPage - 1;
    }
  }

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
  bool MoreToStart() const { return work_.requests != 0 ? started_ < work_.requests : !over_; }

  void Start(uint32_t slot) {
    const uint64_t block = NextBlock();
    slots_[slot] = block;
    if (work_.check) {
      FillData(slot, block);
    }
    const uint8_t operation = work_.write ? BLKIF_OP_WRITE : BLKIF_OP_READ;
    const uint64_t sector = block * work_.pages * kSectorsPerPage;
    if (indirect()) {
      PutIndirect(slot, operation, sector);
    } else {
      PutDirect(slot, operation, sector);
    }
    ++started_;
    ++under_way_;
  }
  void PutDirect(uint32_t slot, uint8_t operation, uint64_t sector) {
    volatile blkif_request_t& request = ring_.Next<blkif_request_t>();
    request.operation = operation;
    request.nr_segments = static_cast<uint8_t>(work_.pages);
    request.handle = 0;
    request.id = slot;
    request.sector_number = sector;
    const blkif_request_segment* list = ListOf(slot);
    for (uint32_t i = 0; i < work_.pages; ++i) {
      request.seg[i].gref = list[i].gref;
      request.seg[i].first_sect = list[i].first_sect;
      request.seg[i].last_sect = list[i].last_sect;
    }
  }
  void PutIndirect(uint32_t slot, uint8_t operation, uint64_t sector) {
    volatile blkif_request_indirect_t& request = ring_.Next<blkif_request_indirect_t>();
    request.operation = BLKIF_OP_INDIRECT;
    request.indirect_op = operation;
    request.nr_segments = static_cast<uint16_t>(work_.pages);
    request.id = slot;
    request.sector_number = sector;
    request.handle = 0;
    request.indirect_grefs[0] = kFirstListRef + slot;
  }
  void PutFlush() {
    volatile blkif_request_t& request = ring_.Next<blkif_request_t>();
    request.operation = BLKIF_OP_FLUSH_DISKCACHE;
    request.nr_segments = 0;
    request.handle = 0;
    request.id = 0;
    request.sector_number = 0;
    ++under_way_;
  }
  // What is under way, to its end.
  void Finish() {
    Push();
    while (under_way_ > 0 && work_.problem == nullptr) {
      TakeResponses();
      asm volatile("pause" : : : "memory");
    }
  }
  void Push() {
    if (ring_.Push()) {
      ++kicks_;
      if (Send(device_.port) != 0) {
        work_.problem = "a kick failed";
      }
    }
  }

  void TakeResponses() {
    while (ring_.HasResponse()) {
      const blkif_response_t response = ring_.Take();
      if (response.status != BLKIF_RSP_OKAY || response.id >= work_.depth) {
        work_.problem = "a request failed";
        return;
      }
      const auto slot = static_cast<uint32_t>(response.id);
      --under_way_;
      ++answered_;
      if (work_.check && !work_.write && !DataIsRight(slot)) {
        work_.problem = "what was read is not what was written";
        return;
      }
      if (MoreToStart()) {
        Start(slot);
      }
    }
  }
  // Until an event comes, and that by an interrupt: what is lost shows as a time-out.
  void Sleep() {
    const volatile uint32_t& seen = events_seen[device_.port];
    const uint32_t before = seen;
    if (ring_.AskForEvent()) {
      return;
    }
    const uint64_t start = SystemTimeNs();
    while (seen == before) {
      asm volatile("pause" : : : "memory");
      if (SystemTimeNs() - start > kPatienceNs) {
        work_.problem = "no upcall came";
        return;
      }
    }
  }

  // A slot's data before its request: what to write, or what reading must change.
  void FillData(uint32_t slot, uint64_t block) {
    auto* words = reinterpret_cast<volatile uint64_t*>(DataOf(work_, slot));
    const uint64_t bytes = uint64_t{work_.pages} * kPageSize;
    for (uint64_t at = 0; at < bytes; at += 8) {
      words[at / 8] = work_.write ? BlockPattern(block * bytes + at) : 0;
    }
  }
  bool DataIsRight(uint32_t slot) const {
    const auto* words = reinterpret_cast<const volatile uint64_t*>(DataOf(work_, slot));
    const uint64_t bytes = uint64_t{work_.pages} * kPageSize;
    for (uint64_t at = 0; at < bytes; at += 8) {
      if (words[at / 8] != BlockPattern(slots_[slot] * bytes + at)) {
        return false;
      }
    }
    return true;
  }

  void LookAtClock(uint64_t now) {
    if (work_.requests != 0 || over_) {
      return;
    }
    if (!counting_ && now >= begin_ns_) {
      begin_ns_ = now;
      counting_ = true;
      StartCounting(events_seen[device_.port]);
    } else if (counting_ && now - begin_ns_ >= work_.run_ns) {
      StopCounting(now);
    }
  }
  void StartCounting(uint32_t upcalls) {
    answered_ = 0;
    kicks_ = 0;
    upcalls_before_ = upcalls;
  }
  void StopCounting(uint64_t now) {
    over_ = true;
    work_.answered = answered_;
    work_.ns = now - begin_ns_;
    work_.kicks = kicks_;
    work_.upcalls = events_seen[device_.port] - upcalls_before_;
  }

  const BlockDevice& device_;
  BlockRing& ring_;
  BlockWork& work_;
  uint64_t slots_[kMostSlots];  // the block that each works on
  uint64_t next_block_ = 0;
  uint64_t random_ = 88172645463325252;
  uint64_t begin_ns_ = 0;
  uint64_t started_ = 0;
  uint64_t answered_ = 0;
  uint32_t under_way_ = 0;
  uint32_t kicks_ = 0;
  uint32_t upcalls_before_ = 0;
  bool counting_ = false;
  bool over_ = false;
};

}  // namespace

void RunBlockWork(const BlockDevice& device, BlockRing& ring, BlockWork& work) {
  work.problem = nullptr;
  Driver driver(device, ring, work);
  if (work.flush) {
    driver.WriteAndFlush();
  } else {
    driver.Run();
  }
}

}  // namespace micro
