// A PV disk driven from ring 3: for measuring it, and for checking that what is written can be
// read.
#include "arch.h"
#include "block_device.h"
#include "block_work.h"
#include "hypercall.h"
#include "report.h"
#include "tests.h"
#include "traps.h"

namespace micro {
namespace {

// Nobody runs constructors here.
constinit BlockDevice device;
constinit BlockRing ring;
constinit BlockWork work;

void WorkInUser() { RunBlockWork(device, ring, work); }

// Runs `work` and says how it went.
bool Run(const char* name) {
  EnterUser(reinterpret_cast<uintptr_t>(WorkInUser), 0, 0, 0);  // code, called by address
  if (work.problem != nullptr) {
    Fail(name, work.problem);
    return false;
  }
  CheckTrue(name, work.answered != 0);
  Print("blkbench ");
  Print(name);
  const uint64_t numbers[] = {work.answered, work.ns, work.kicks, work.upcalls};
  for (const uint64_t number : numbers) {
    Print(" ");
    PrintNumber(static_cast<int64_t>(number));
  }
  Print("\n");
  return true;
}

bool ReadWords() {
  constexpr uint32_t kMostKiB = 1024;
  const uint32_t kib = NumberWord("block=", 4);
  work.pages = kib / 4;
  work.depth = NumberWord("depth=", 1);
  work.random = !HasWord("sequential");
  work.write = HasWord("write");
  work.requests = NumberWord("requests=", 0);
  work.run_ns = NumberWord("ms=", 1000) * uint64_t{1'000'000};
  work.warm_up_ns = work.requests == 0 ? work.run_ns / 10 : 0;
  work.poll_ns = NumberWord("poll=", 50) * uint64_t{1000};
  return CheckTrue("block/words", kib % 4 == 0 && kib != 0 && kib <= kMostKiB && work.depth != 0 &&
                                      work.depth <= BlockRing::kEntries &&
                                      work.depth * work.pages <= kMostBlockPages);
}

bool Fits() {
  work.blocks = device.sectors / (work.pages * (kPageSize / 512));
  const bool direct = work.pages <= BLKIF_MAX_SEGMENTS_PER_REQUEST;
  return CheckTrue("block/indirect", direct || work.pages <= device.max_indirect) &&
         CheckTrue("block/room",
                   work.blocks != 0 && kFirstDeviceRef + BlockRing::kEntries + kMostBlockPages <
                                           device.grant_count);
}

// Each block once, written and read.
void WriteAndCompare() {
  work.check = true;
  work.random = false;
  if (work.requests == 0 || work.requests > work.blocks) {
    work.requests = work.blocks;
  }
  work.warm_up_ns = 0;
  work.write = true;
  if (Run("write")) {
    work.write = false;
    Run("read");
  }
}

// For whoever kills this guest and looks at the disk.
void WriteJournal() {
  work.flush = true;
  work.check = true;
  work.write = true;
  work.random = false;
  work.requests = 1;
  for (work.first_block = 0; work.first_block < work.blocks; ++work.first_block) {
    EnterUser(reinterpret_cast<uintptr_t>(WorkInUser), 0, 0, 0);  // code, called by address
    if (work.problem != nullptr) {
      Fail("journal", work.problem);
      return;
    }
    Print("journal ");
    PrintNumber(static_cast<int64_t>(work.first_block));
    Print("\n");
  }
}

}  // namespace

void MeasureBlock() {
  if (!ReadWords() || !ConnectBlock(device) || !Fits()) {
    return;
  }
  ring.Start(reinterpret_cast<void*>(kDeviceArea));
  if (HasWord("compare")) {
    WriteAndCompare();
  } else if (HasWord("journal")) {
    WriteJournal();
  } else {
    Run(work.write ? "write" : "read");
  }
  CloseDevice(device);
}

}  // namespace micro
