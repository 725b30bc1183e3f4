// A disk driven from ring 3, PV or IDE: for measuring it, and for checking that what is written can
// be read.
#include "arch.h"
#include "bench_report.h"
#include "block_device.h"
#include "block_work.h"
#include "hypercall.h"
#include "ide_disk.h"
#include "report.h"
#include "tests.h"
#include "traps.h"

namespace micro {
namespace {

// Nobody runs constructors here.
constinit BlockDevice device;
constinit BlockRing ring;
constinit IdeDisk ide;
constinit BlockWork work;

struct Kind {
  const char* word;
  bool emulated;
  void (*work_in_user)();
};
constexpr Kind kPv{"blkbench", false, [] { RunBlockWork(device, ring, work); }};
constexpr Kind kIde{"idebench", true, [] { RunIdeWork(ide, work); }};

void WorkInUser(const Kind& kind) {
  EnterUser(reinterpret_cast<uintptr_t>(kind.work_in_user), 0, 0, 0);  // code, called by address
}

// Runs `work` and says how it went.
bool Run(const Kind& kind, const char* name) {
  WorkInUser(kind);
  const Counts& counts = work.counts;
  return kind.emulated ? ReportRun(kind.word, name, work, {counts.exits})
                       : ReportRun(kind.word, name, work, {counts.kicks, counts.upcalls});
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
  work.warm_up_ns = work.run_ns / 10;
  if (work.requests != 0) {
    work.run_ns = kForever;
    work.warm_up_ns = 0;
  }
  work.poll_ns = NumberWord("poll=", 50) * uint64_t{1000};
  return CheckTrue("block/words", kib % 4 == 0 && kib != 0 && kib <= kMostKiB && work.depth != 0 &&
                                      work.depth <= BlockRing::kEntries &&
                                      work.depth * work.pages <= kMostBlockPages);
}

bool Fits(uint64_t sectors) {
  work.blocks = sectors / (work.pages * kSectorsPerPage);
  return CheckTrue("block/size", work.blocks != 0);
}

bool FitsRing() {
  const bool direct = work.pages <= BLKIF_MAX_SEGMENTS_PER_REQUEST;
  return CheckTrue("block/indirect", direct || work.pages <= device.max_indirect) &&
         CheckTrue("block/grants",
                   kFirstDeviceRef + BlockRing::kEntries + kMostBlockPages < device.grant_count);
}

// Each block once, written and read.
void WriteAndCompare(const Kind& kind) {
  work.check = true;
  work.random = false;
  if (work.requests == 0 || work.requests > work.blocks) {
    work.requests = work.blocks;
  }
  work.run_ns = kForever;
  work.warm_up_ns = 0;
  work.write = true;
  if (Run(kind, "write")) {
    work.write = false;
    Run(kind, "read");
  }
}

void Measure(const Kind& kind) {
  if (HasWord("compare")) {
    WriteAndCompare(kind);
  } else {
    Run(kind, work.write ? "write" : "read");
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
    WorkInUser(kPv);
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
  if (!ReadWords() || !ConnectBlock(device) || !Fits(device.sectors) || !FitsRing()) {
    return;
  }
  ring.Start(reinterpret_cast<void*>(kDeviceArea));
  if (HasWord("journal")) {
    WriteJournal();
  } else {
    Measure(kPv);
  }
  CloseDevice(device);
}

void MeasureIde() {
  // The bus takes one command at a time.
  if (ReadWords() && Check("ide/depth", work.depth, 1) && ide.Find() && Fits(ide.sectors())) {
    Measure(kIde);
  }
}

}  // namespace micro
