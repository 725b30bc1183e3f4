#include "block_work.h"

#include "arch.h"
#include "grants.h"
#include "hypercall.h"

namespace micro {
namespace {

constexpr uint32_t kMostSlots = BlockRing::kEntries;
constexpr uint32_t kFirstListRef = kFirstDeviceRef + 1;
constexpr uint32_t kFirstDataRef = kFirstListRef + kMostSlots;
constexpr uintptr_t kLists = kDeviceArea + kPageSize;

class Driver {
 public:
  Driver(const BlockDevice& device, BlockRing& ring, BlockWork& work)
      : device_(device), ring_(ring), work_(work), stretch_(work, &events_seen[device.port]) {
    for (uint32_t slot = 0; slot < work.depth; ++slot) {
      GrantSlot(slot);
    }
  }

  void Run() {
    for (uint32_t slot = 0; slot < work_.depth && plan_.MoreToStart(); ++slot) {
      Start(slot);
    }
    Push();
    RunDriver(*this, stretch_, work_.poll_ns);
  }

  void WriteAndFlush() {
    Start(0);
    Finish();
    PutFlush();
    Finish();
  }

  bool More() const { return under_way_ > 0; }
  bool Step() {
    if (!ring_.HasResponse()) {
      return false;
    }
    TakeResponses();
    Push();
    return true;
  }
  void Wait() {
    SleepForEvent(device_.port, stretch_, [this] { return ring_.AskForEvent(); });
  }

 private:
  static blkif_request_segment* ListOf(uint32_t slot) {
    return reinterpret_cast<blkif_request_segment*>(kLists + slot * kPageSize);
  }
  bool indirect() const { return work_.pages > BLKIF_MAX_SEGMENTS_PER_REQUEST; }

  void GrantSlot(uint32_t slot) {
    blkif_request_segment* list = ListOf(slot);
    FillGrant(device_.grants[kFirstListRef + slot], GTF_permit_access | GTF_readonly, 0,
              static_cast<uint32_t>(Word(list) / kPageSize));
    const auto frame = static_cast<uint32_t>(plan_.DataOf(slot) / kPageSize);
    for (uint32_t i = 0; i < work_.pages; ++i) {
      const uint32_t ref = kFirstDataRef + slot * work_.pages + i;
      FillGrant(device_.grants[ref], GTF_permit_access, 0, frame + i);
      list[i].gref = ref;
      list[i].first_sect = 0;
      list[i].last_sect = kSectorsPerPage - 1;
    }
  }

  void Start(uint32_t slot) {
    const uint64_t block = plan_.Start(slot);
    slots_[slot] = block;
    const uint8_t operation = work_.write ? BLKIF_OP_WRITE : BLKIF_OP_READ;
    if (indirect()) {
      PutIndirect(slot, operation, plan_.SectorOf(block));
    } else {
      PutDirect(slot, operation, plan_.SectorOf(block));
    }
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
    while (More() && !stretch_.failed()) {
      TakeResponses();
      Pause();
    }
  }
  void Push() {
    if (ring_.Push()) {
      Kick(device_.port, stretch_);
    }
  }

  void TakeResponses() {
    while (ring_.HasResponse()) {
      const blkif_response_t response = ring_.Take();
      if (response.status != BLKIF_RSP_OKAY || response.id >= work_.depth) {
        stretch_.Fail("a request failed");
        return;
      }
      const auto slot = static_cast<uint32_t>(response.id);
      --under_way_;
      ++stretch_.counts.done;
      if (!plan_.DataIsRight(slot, slots_[slot])) {
        stretch_.Fail("what was read is not what was written");
        return;
      }
      if (plan_.MoreToStart()) {
        Start(slot);
      }
    }
  }

  const BlockDevice& device_;
  BlockRing& ring_;
  BlockWork& work_;
  Stretch stretch_;
  BlockPlan plan_{work_, stretch_};
  uint64_t slots_[kMostSlots];  // the block that each works on
  uint32_t under_way_ = 0;
};

}  // namespace

void RunBlockWork(const BlockDevice& device, BlockRing& ring, BlockWork& work) {
  Driver driver(device, ring, work);
  if (work.flush) {
    driver.WriteAndFlush();
  } else {
    driver.Run();
  }
}

}  // namespace micro
