#include "ide_disk.h"

#include "pci.h"
#include "report.h"

namespace micro {
namespace {

constexpr uint32_t kController = PciFunction(1, 1);
constexpr uint32_t kPiix3Ide = 0x70108086;
constexpr uint32_t kBusMasterBar = 0x20;

constexpr uint16_t kData = IdeDisk::kCommands;
constexpr uint16_t kCount = IdeDisk::kCommands + 2;
constexpr uint16_t kLbaLow = IdeDisk::kCommands + 3;
constexpr uint16_t kLbaMid = IdeDisk::kCommands + 4;
constexpr uint16_t kLbaHigh = IdeDisk::kCommands + 5;
constexpr uint16_t kDevice = IdeDisk::kCommands + 6;
constexpr uint16_t kCommand = IdeDisk::kCommands + 7;
constexpr uint8_t kNoInterrupt = 0x02;  // of device control
constexpr uint8_t kLba = 0x40;          // of the device register
constexpr uint8_t kFailed = 0x21;       // DF, ERR
constexpr uint8_t kDataRequest = 0x08;
constexpr uint8_t kReadDmaExt = 0x25;
constexpr uint8_t kWriteDmaExt = 0x35;
constexpr uint8_t kIdentify = 0xec;

// Of the bus master.
constexpr uint8_t kStart = 0x01;
constexpr uint8_t kToMemory = 0x08;

struct Region {
  uint32_t address;
  uint32_t length;  // 0 is 64 KiB
};
constexpr uint32_t kEndOfTable = 0x80000000;
constexpr uint32_t kMostInRegion = 0x10000;
constexpr uint32_t kMostRegions = 512;
static_assert(kMostRegions * sizeof(Region) <= kPageSize);

volatile Region* Table() { return reinterpret_cast<volatile Region*>(kDeviceArea); }

}  // namespace

bool IdeDisk::Find() {
  if (!Check("ide/controller", ReadConfig(kController, 0), kPiix3Ide)) {
    return false;
  }
  EnablePci(kController);
  bus_master_ = static_cast<uint16_t>(ReadConfig(kController, kBusMasterBar) & ~15U);
  Out(kAlternateStatus, kNoInterrupt);
  Out(kDevice, kLba);
  return CheckTrue("ide/bus-master", bus_master_ != 0) && CheckTrue("ide/disk", Identify());
}

bool IdeDisk::Identify() {
  constexpr uint32_t kSectorsLow = 100 / 2;  // of words 100 to 103, in pairs
  Out(kCommand, kIdentify);
  const uint64_t start = SystemTimeNs();
  while (busy()) {
    if (SystemTimeNs() - start > kPatienceNs) {
      return false;
    }
  }
  if ((In(kAlternateStatus) & (kFailed | kDataRequest)) != kDataRequest) {
    return false;
  }
  for (uint32_t i = 0; i < kSectorBytes / 4; ++i) {
    const uint64_t words = In32(kData);
    if (i == kSectorsLow || i == kSectorsLow + 1) {
      sectors_ |= words << (32 * (i - kSectorsLow));
    }
  }
  return sectors_ != 0;
}

void IdeDisk::SetMemory(uintptr_t data, uint32_t bytes) {
  regions_ = 0;
  for (uint32_t at = 0; at < bytes; at += kMostInRegion) {
    const uint32_t left = bytes - at;
    AddMemory(data + at, left < kMostInRegion ? left : kMostInRegion);
  }
}

void IdeDisk::AddMemory(uintptr_t data, uint32_t bytes) {
  if (regions_ == kMostRegions) {
    return;
  }
  if (regions_ != 0) {
    Table()[regions_ - 1].length = Table()[regions_ - 1].length & ~kEndOfTable;
  } else {
    ++exits_;
    Out32(static_cast<uint16_t>(bus_master_ + 4), kDeviceArea);
  }
  Table()[regions_].address = static_cast<uint32_t>(data);
  Table()[regions_].length = (bytes & (kMostInRegion - 1)) | kEndOfTable;
  ++regions_;
}

void IdeDisk::Begin(bool write, uint64_t sector, uint32_t sectors) {
  // Each register keeps two bytes: what was written last, and what before it.
  Out(kCount, static_cast<uint8_t>(sectors >> 8));
  Out(kLbaLow, static_cast<uint8_t>(sector >> 24));
  Out(kLbaMid, static_cast<uint8_t>(sector >> 32));
  Out(kLbaHigh, static_cast<uint8_t>(sector >> 40));
  Out(kCount, static_cast<uint8_t>(sectors));
  Out(kLbaLow, static_cast<uint8_t>(sector));
  Out(kLbaMid, static_cast<uint8_t>(sector >> 8));
  Out(kLbaHigh, static_cast<uint8_t>(sector >> 16));
  Out(kCommand, write ? kWriteDmaExt : kReadDmaExt);
  Barrier();
  Out(bus_master_, write ? kStart : kStart | kToMemory);
}

const char* IdeDisk::Finish() {
  const uint64_t start = SystemTimeNs();
  uint8_t status = In(kAlternateStatus);
  while ((status & kBusy) != 0) {
    if (SystemTimeNs() - start > kPatienceNs) {
      return "a command does not end";
    }
    status = In(kAlternateStatus);
  }
  Barrier();
  // So that the next start is one.
  Out(bus_master_, 0);
  return (status & (kFailed | kDataRequest)) != 0 ? "a command failed" : nullptr;
}

void RunIdeWork(IdeDisk& disk, BlockWork& work) {
  Stretch stretch(work, nullptr);
  BlockPlan plan(work, stretch);
  const uint32_t sectors = work.pages * kSectorsPerPage;
  disk.SetMemory(plan.DataOf(0), sectors * kSectorBytes);
  for (;;) {
    stretch.LookAtClock(SystemTimeNs());
    if (!plan.MoreToStart()) {
      break;
    }
    const uint64_t block = plan.Start(0);
    const uint32_t exits_before = disk.exits();
    disk.Begin(work.write, plan.SectorOf(block), sectors);
    if (const char* problem = disk.Finish()) {
      stretch.Fail(problem);
      return;
    }
    stretch.counts.exits += disk.exits() - exits_before;
    ++stretch.counts.done;
    if (!plan.DataIsRight(0, block)) {
      stretch.Fail("what was read is not what was written");
      return;
    }
  }
  stretch.Stop(SystemTimeNs());
}

}  // namespace micro
