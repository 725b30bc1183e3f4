// Runs the groups that the command line asks for.
#include "arch.h"
#include "events.h"
#include "hypercall.h"
#include "report.h"
#include "tests.h"
#include "traps.h"

namespace micro {

uintptr_t bad_address;

namespace {

constexpr uintptr_t kUnmapped = 0x1e00000;  // in entry64.S
constexpr uint32_t kCpuidBase = 0x40000000;

// What the guest itself needs to work before anything else is worth checking.
void TestMachine() {
  Check("machine/ud2-is-#UD", TryUndefined(), kUndefinedOpcode);
  if (k64) {
    Check("machine/unmapped-is-#PF", TryLoad(kUnmapped), kPageFault);
  }
  constexpr uint32_t kEfer = 0xc0000080;
  uint64_t efer = 0;
  Check("machine/rdmsr", TryReadMsr(kEfer, &efer), kNoTrap);
  constexpr uint64_t kReservedBit = uint64_t{1} << 40;
  Check("machine/bad-wrmsr-is-#GP", TryWriteMsr(kEfer, efer | kReservedBit), kGeneralProtection);
  CheckTrue("machine/local-apic", (ReadApic(0xf0) & 0x100) != 0);
  constexpr uint32_t kCommand = 0x300;
  constexpr uint32_t kToSelf = 0x40000;
  WriteApic(kCommand, kToSelf | kTestVector);
  CheckTrue("machine/interrupt", WaitForCount(test_interrupts, 1));
  CheckTrue("machine/rdtsc", Rdtsc() != Rdtsc());
}

bool XenIsThere() {
  const CpuidResult leaf = Cpuid(kCpuidBase);
  return leaf.ebx == 0x566e6558 && leaf.ecx == 0x65584d4d && leaf.edx == 0x4d4d566e;
}

// With "expect=bare": no leaf anywhere claims to be Xen.
void TestNoXen() {
  bool found = false;
  for (uint32_t leaf = kCpuidBase; leaf <= kCpuidBase + 0x1000; leaf += 0x100) {
    found = found || Cpuid(leaf).ebx == 0x566e6558;
  }
  CheckTrue("bare/no-xen-leaf", !found);
  CheckTrue("bare/hypercall-page-msr", TryWriteMsr(0x40000000, 0x200000) != kNoTrap);
  CheckTrue("bare/no-platform-port", In16(0x10) != 0x49d2);
}

void TestCpuid() {
  constexpr uint32_t kVcpuIdPresent = 1U << 3;
  constexpr uint32_t kDomidPresent = 1U << 4;
  constexpr uint32_t kUpcallVectorWorks = 1U << 6;
  CheckTrue("cpuid/hypervisor-bit", (Cpuid(1).ecx & (1U << 31)) != 0);
  CheckTrue("cpuid/max-leaf", Cpuid(kCpuidBase).eax >= kCpuidBase + 4);
  CheckTrue("cpuid/version", Cpuid(kCpuidBase + 1).eax >= 0x40000);
  Check("cpuid/pages", Cpuid(kCpuidBase + 2).eax, 1);
  Check("cpuid/msr", Cpuid(kCpuidBase + 2).ebx, 0x40000000);
  CheckTrue("cpuid/tsc-khz", Cpuid(kCpuidBase + 3, 0).ecx != 0);
  const CpuidResult hvm = Cpuid(kCpuidBase + 4, 0);
  Check("cpuid/flags", hvm.eax & (kVcpuIdPresent | kDomidPresent | kUpcallVectorWorks),
        kVcpuIdPresent | kDomidPresent | kUpcallVectorWorks);
  Check("cpuid/vcpu-id", hvm.ebx, 0);
  Check("cpuid/domid", hvm.ecx, 1);
}

struct Group {
  const char* name;
  void (*run)();
};

constexpr Group kGroups[] = {
    {"hypercall", TestHypercalls},
    {"version", TestVersion},
    {"shared_info", TestSharedInfo},
    {"memory", TestMemory},
    {"hvm", TestHvm},
    {"events", TestEvents},
    {"vcpu", TestVcpu},
    {"second", TestSecondVcpu},
    {"timers", TestTimers},
    {"sched", TestSched},
    {"platform", TestPlatform},
    {"grants", TestGrants},
    {"xenstore", TestXenstore},
    {"console", TestConsole},
    {"small", TestSmallCalls},
    {"multicall", TestMulticall},
#ifdef __x86_64__
    {"ring3", TestPrivilege},
#endif
    {"fifo", TestFifo},  // last: it resets every event channel
};

#ifdef __x86_64__
// Instead of any group.
constexpr Group kUserWork[] = {
    {"blkbench", MeasureBlock},  {"idebench", MeasureIde},
    {"netbench", MeasureNet},    {"e1000bench", MeasureE1000},
    {"unplugrace", RaceUnplugs}, {"unknownop", TestUnknownInstruction},
};
#endif

void RunXen() {
  if (GroupWanted("cpuid")) {
    TestCpuid();
  }
  if (!SetUpHypercalls() || !MapSharedInfo()) {
    return;
  }
  if (!TestCallbacks()) {
    return;
  }
  if (HasWord("bench")) {
    MeasureEvents();
    return;
  }
#ifdef __x86_64__
  for (const Group& work : kUserWork) {
    if (HasWord(work.name)) {
      work.run();
      return;
    }
  }
#endif
  for (const Group& group : kGroups) {
    if (GroupWanted(group.name)) {
      group.run();
    }
  }
  if (HasWord("off=sched_op")) {
    Finish([] {
      sched_shutdown_t shutdown{SHUTDOWN_poweroff};
      SchedOp(SCHEDOP_shutdown, &shutdown);
    });
  }
}

// Where the RAM below the PCI hole ends, firmware's tables included.
uintptr_t EndOfMemory(const hvm_start_info& info) {
  constexpr uint64_t kPciHole = 0xc0000000;
  const auto* entry = reinterpret_cast<const hvm_memmap_table_entry*>(
      static_cast<uintptr_t>(info.memmap_paddr));  // the guest's memory is mapped one to one
  uint64_t end = 0;
  for (uint32_t i = 0; i < info.memmap_entries; ++i, ++entry) {
    const uint64_t entry_end = entry->addr + entry->size;
    end = entry_end <= kPciHole && entry_end > end ? entry_end : end;
  }
  return static_cast<uintptr_t>(end);
}

}  // namespace

extern "C" [[noreturn]] void Main(const hvm_start_info* info) {
  SetCommandLine(reinterpret_cast<const char*>(static_cast<uintptr_t>(info->cmdline_paddr)));
  Print(k64 ? "micro: 64 bit\n" : "micro: 32 bit\n");
  Check("machine/start-info", info->magic, XEN_HVM_START_MAGIC_VALUE);
  bad_address = k64 ? kUnmapped : EndOfMemory(*info);
  SetUpTraps();
  if (GroupWanted("machine")) {
    TestMachine();
  }
  if (HasWord("expect=bare")) {
    TestNoXen();
  } else if (CheckTrue("cpuid/signature", XenIsThere())) {
    RunXen();
  }
  Finish();
}

}  // namespace micro
