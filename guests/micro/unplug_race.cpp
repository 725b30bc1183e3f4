// Emulated devices taken away by Xen's unplug port while they work, by a guest that goes on using
// them.
#include "arch.h"
#include "e1000_nic.h"
#include "hypercall.h"
#include "ide_disk.h"
#include "pci.h"
#include "report.h"
#include "tests.h"
#include "traps.h"

namespace micro {
namespace {

constexpr uint16_t kUnplugPort = 0x10;
constexpr uint16_t kAllDisks = 1;
constexpr uint16_t kAllNics = 2;
constexpr uint32_t kRounds = 20;

// Nobody runs constructors here.
constinit IdeDisk ide;
constinit E1000Nic nic;

// What ring 3 found.
struct {
  bool under_way;
  bool absent;
  bool other_works;
} found;

// Everything that can be written is, and everything read: zeros, of a place with nothing in it.
// What is busy meanwhile is the cable, and that only if there is another drive to say so.
bool PokeIde(uint8_t value) {
  for (uint16_t i = 1; i < 7; ++i) {
    ide.Out(IdeDisk::kCommands + i, i == 6 ? 0x40 : value);
  }
  ide.Begin(false, value, value);
  ide.Out(ide.bus_master(), 0);
  uint8_t all = 0;
  for (uint16_t i = 1; i < 8; ++i) {
    all |= ide.In(IdeDisk::kCommands + i);
  }
  all |= ide.In(IdeDisk::kAlternateStatus);
  // A reset and its end, without interrupts.
  ide.Out(IdeDisk::kAlternateStatus, 0x06);
  ide.Out(IdeDisk::kAlternateStatus, 0x02);
  return all == 0;
}

void RaceIde() {
  constexpr uint32_t kRegion = 0x10000;
  constexpr uint32_t kMostSectors = 0x10000;
  // The longest command there is, over and over into the same memory.
  ide.SetMemory(kBlockData, kRegion);
  for (uint32_t i = 1; i < kMostSectors * kSectorBytes / kRegion; ++i) {
    ide.AddMemory(kBlockData, kRegion);
  }
  ide.Begin(false, 0, 0);
  found.under_way = ide.busy();
  Out16(kUnplugPort, kAllDisks);
  found.absent = true;
  for (uint32_t i = 0; i < kRounds; ++i) {
    found.absent = PokeIde(static_cast<uint8_t>(i * 31)) && found.absent;
  }
  // The second drive on the cable has no twin, and stays.
  constexpr uint8_t kLbaSecond = 0x50;
  ide.Out(IdeDisk::kCommands + 6, kLbaSecond);
  ide.Begin(false, 0, kSectorsPerPage);
  found.other_works = ide.Finish() == nullptr;
}

void RaceNic() {
  NetWork work;
  work.segmented = true;
  work.bytes = 65226;
  FillFrame(reinterpret_cast<uint8_t*>(kNetData), work);
  nic.StartSending();
  while (nic.put() + E1000Nic::slots(work) < E1000Nic::kDescriptors) {
    nic.Put(work);
  }
  nic.Write(E1000Nic::kTxTail, nic.put());
  found.under_way = nic.Read(E1000Nic::kTxHead) != nic.put();
  Out16(kUnplugPort, kAllNics);
  found.absent = true;
  for (uint32_t i = 0; i < kRounds; ++i) {
    nic.StartSending();
    nic.Put(work);
    nic.Write(E1000Nic::kTxTail, i);
    found.absent =
        nic.Read(E1000Nic::kStatus) == ~0U && nic.Read(E1000Nic::kTxHead) == ~0U && found.absent;
  }
}

void InUser(void (*race)()) {
  EnterUser(reinterpret_cast<uintptr_t>(race), 0, 0, 0);  // code, called by address
}

}  // namespace

void RaceUnplugs() {
  if (!ide.Find() || !nic.Find()) {
    return;
  }
  InUser(RaceIde);
  CheckTrue("unplug/disk-under-way", found.under_way);
  CheckTrue("unplug/disk-absent", found.absent);
  CheckTrue("unplug/other-disk-works", found.other_works);
  InUser(RaceNic);
  CheckTrue("unplug/nic-under-way", found.under_way);
  CheckTrue("unplug/nic-absent", found.absent);
  Check("unplug/nic-config", ReadConfig(nic.device(), 0), ~0U);
}

}  // namespace micro
