#include "traps.h"

#include "arch.h"
#include "events.h"
#include "report.h"

extern "C" {
extern uint8_t gdt[];
extern uint8_t trap_stack_end[];
extern uintptr_t trap_table[];
#ifdef __x86_64__
extern uintptr_t user_resume_stack;
extern uint8_t user_code_end[];  // the instruction by which ring 3 comes back
[[noreturn]] void LeaveUser(uintptr_t result);
#endif
}

namespace micro {

volatile uint32_t test_interrupts;
volatile uint32_t lines;
volatile uint32_t nmis;

namespace {

constexpr unsigned kVectors = 64;
constexpr uint16_t kTaskSelector = 0x40;
[[maybe_unused]] constexpr uint16_t kDataSelector = 0x18;
constexpr uint16_t kCodeSelector = k64 ? 0x10 : 0x08;
constexpr uintptr_t kApic = 0xfee00000;
constexpr uintptr_t kIoApic = 0xfec00000;
constexpr uintptr_t kNmi = 2;
constexpr uint32_t kApicTaskPriority = 0x80;
constexpr uint32_t kApicEoi = 0xb0;
constexpr uint32_t kApicSpurious = 0xf0;
constexpr uint32_t kApicEnable = 0x100;

#ifdef __x86_64__
struct [[gnu::packed]] Task {
  uint32_t reserved;
  uint64_t stack0;
  uint8_t rest[90];
  uint16_t ports_at;
  uint8_t ports[0x10000 / 8];  // a bit for each that ring 3 must not access
  uint8_t ports_end;           // all ones
};
struct Gate {
  uint16_t low, selector, flags, middle;
  uint32_t high, reserved;
};
static_assert(offsetof(Task, ports) == 104);
#else
struct Task {
  uint32_t link, stack0, segment0;
  uint8_t rest[92];
};
struct Gate {
  uint16_t low, selector, flags, middle;
};
static_assert(sizeof(Task) == 104);
#endif
static_assert(sizeof(Gate) == (k64 ? 16 : 8));

Task task;
Gate gates[kVectors];

struct [[gnu::packed]] TablePointer {
  uint16_t limit;
  uintptr_t base;
};

// Where to go on, and what happened, when an instruction was expected to trap.
volatile uint32_t recovery;
volatile int trapped;

void SetGate(unsigned vector) {
  constexpr uint16_t kInterruptGate = 0x8e00;
  const uintptr_t target = trap_table[vector];
  Gate& gate = gates[vector];
  gate.low = static_cast<uint16_t>(target);
  gate.selector = kCodeSelector;
  gate.flags = kInterruptGate;
  gate.middle = static_cast<uint16_t>(target >> 16);
}

void SetUpTask() {
  const auto base = reinterpret_cast<uintptr_t>(&task);  // a descriptor holds it as a number
  task.stack0 = reinterpret_cast<uintptr_t>(trap_stack_end);
#ifdef __x86_64__
  // Hosts that run ring 3 alone natively do not give it IOPL 3: there this map decides.
  task.ports_at = offsetof(Task, ports);
  task.ports_end = 0xff;
#else
  task.segment0 = kDataSelector;
#endif
  uint8_t* descriptor = gdt + kTaskSelector;
  descriptor[0] = static_cast<uint8_t>(sizeof(task) - 1);
  descriptor[1] = static_cast<uint8_t>((sizeof(task) - 1) >> 8);
  descriptor[2] = static_cast<uint8_t>(base);
  descriptor[3] = static_cast<uint8_t>(base >> 8);
  descriptor[4] = static_cast<uint8_t>(base >> 16);
  descriptor[5] = 0x89;
  descriptor[7] = static_cast<uint8_t>(base >> 24);
  asm volatile("ltr %w0" : : "r"(kTaskSelector) : "memory");
}

int TakeTrap() {
  const int vector = trapped;
  recovery = 0;
  return vector;
}

}  // namespace

// As the stubs in entry64.S and entry32.S push it.
struct TrapFrame {
#ifdef __x86_64__
  uintptr_t r15, r14, r13, r12, r11, r10, r9, r8, di, si, bp, bx, dx, cx, ax;
#else
  uintptr_t di, si, bp, unused, bx, dx, cx, ax;
#endif
  uintptr_t vector, error, ip, cs, flags;
};

void SetUpTraps() {
  for (unsigned vector = 0; vector < kVectors; ++vector) {
    SetGate(vector);
  }
  const TablePointer pointer{sizeof(gates) - 1, reinterpret_cast<uintptr_t>(gates)};
  asm volatile("lidt %0" : : "m"(pointer));
  SetUpTask();
  // The 8259s start unmasked and with vectors that are exceptions.
  Out8(0x21, 0xff);
  Out8(0xa1, 0xff);
  WriteApic(kApicTaskPriority, 0);
  WriteApic(kApicSpurious, kApicEnable | kSpuriousVector);
}

// Memory-mapped registers.
void WriteApic(uint32_t offset, uint32_t value) {
  *reinterpret_cast<volatile uint32_t*>(kApic + offset) = value;
}
uint32_t ReadApic(uint32_t offset) { return *reinterpret_cast<volatile uint32_t*>(kApic + offset); }

void RouteLine(uint32_t line, uint8_t vector) {
  constexpr uint32_t kFirstEntry = 0x10;
  constexpr uint32_t kLevelTriggered = 1U << 15;
  auto* select = reinterpret_cast<volatile uint32_t*>(kIoApic);
  auto* window = reinterpret_cast<volatile uint32_t*>(kIoApic + 0x10);
  *select = kFirstEntry + 2 * line + 1;
  *window = 0;  // to APIC 0
  *select = kFirstEntry + 2 * line;
  *window = kLevelTriggered | vector;
}

int TryWriteMsr(uint32_t msr, uint64_t value) {
  trapped = kNoTrap;
  asm volatile("movl $1f, %0; wrmsr; 1:"
               : "=m"(recovery)
               : "c"(msr), "a"(static_cast<uint32_t>(value)),
                 "d"(static_cast<uint32_t>(value >> 32))
               : "memory");
  return TakeTrap();
}

int TryReadMsr(uint32_t msr, uint64_t* value) {
  trapped = kNoTrap;
  uint32_t low;
  uint32_t high;
  asm volatile("movl $1f, %0; rdmsr; 1:"
               : "=m"(recovery), "=a"(low), "=d"(high)
               : "c"(msr)
               : "memory");
  *value = (uint64_t{high} << 32) | low;
  return TakeTrap();
}

int TryUndefined() {
  trapped = kNoTrap;
  asm volatile("movl $1f, %0; ud2; 1:" : "=m"(recovery) : : "memory");
  return TakeTrap();
}

int TryLoad(uintptr_t address) {
  trapped = kNoTrap;
  uint8_t byte;
  asm volatile("movl $1f, %0; movb (%2), %1; 1:"
               : "=m"(recovery), "=q"(byte)
               : "r"(address)
               : "memory");
  return TakeTrap();
}

int TryPopulationCount(uintptr_t address) {
  trapped = kNoTrap;
  uint32_t bits;
  asm volatile("movl $1f, %0; popcntl (%2), %1; 1:"
               : "=m"(recovery), "=r"(bits)
               : "r"(address)
               : "memory", "cc");
  return TakeTrap();
}

extern "C" void HandleTrap(TrapFrame* frame) {
  switch (frame->vector) {
    case kUpcallVector:
      upcalls = upcalls + 1;
      TakeEvents();
      WriteApic(kApicEoi, 0);
      return;
    case kCallbackVector:
      callbacks = callbacks + 1;
      TakeEvents();
      return;
    case kLineVector:
      lines = lines + 1;
      TakeEvents();
      WriteApic(kApicEoi, 0);
      return;
    case kNmi:
      nmis = nmis + 1;
      return;
    case kTestVector:
      test_interrupts = test_interrupts + 1;
      WriteApic(kApicEoi, 0);
      return;
    case kSpuriousVector:
      return;
    default:
      break;
  }
#ifdef __x86_64__
  if (frame->ip == reinterpret_cast<uintptr_t>(user_code_end) && user_resume_stack != 0) {
    LeaveUser(frame->ax);
  }
#endif
  if (recovery != 0) {
    trapped = static_cast<int>(frame->vector);
    frame->ip = recovery;
    recovery = 0;
    return;
  }
  Print("trap ");
  PrintNumber(static_cast<int64_t>(frame->vector));
  Print(" error ");
  PrintNumber(static_cast<int64_t>(frame->error));
  Print(" at ");
  PrintNumber(static_cast<int64_t>(frame->ip));
  Print("\n");
  Fail("guest", "an unexpected trap");
  Finish();
}

}  // namespace micro
