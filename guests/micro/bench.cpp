// What events cost, seen from inside. Alternating rounds, so that a busy host disturbs all alike.
#include "arch.h"
#include "events.h"
#include "hypercall.h"
#include "report.h"
#include "tests.h"
#include "traps.h"

namespace micro {
namespace {

constexpr uint32_t kRounds = 11;
constexpr uint32_t kCalls = 400;

void Report(const char* name, uint64_t ns) {
  Print("bench ");
  Print(name);
  Print(" ");
  PrintNumber(kCalls);
  Print(" ");
  PrintNumber(static_cast<int64_t>(ns));
  Print("\n");
}

// EVTCHNOP_send as it is: what differs is where the other end is.
void MeasureSends(const char* name, uint32_t port) {
  const uint64_t start = SystemTimeNs();
  for (uint32_t i = 0; i < kCalls; ++i) {
    Send(port);
  }
  Report(name, SystemTimeNs() - start);
}

// What a stub for EVTCHNOP_send executes, but for the instruction that leaves the guest.
#ifdef __x86_64__
asm(R"(
StaysInGuest:
  cmp $4, %edi
  jne 1f
  mov (%rsi), %eax
  nop
  jc 1f
  xor %eax, %eax
1: ret
)");
#else
asm(R"(
StaysInGuest:
  cmp $4, %ebx
  jne 1f
  mov (%ecx), %eax
  nop
  jc 1f
  xor %eax, %eax
1: ret
)");
#endif
static_assert(EVTCHNOP_send == 4);
extern "C" void StaysInGuest();

// How much of a send is the guest's own instructions.
void MeasureOwnInstructions(uint32_t port) {
  const uint64_t start = SystemTimeNs();
  for (uint32_t i = 0; i < kCalls; ++i) {
    evtchn_send_t op{port};
    CallTarget(reinterpret_cast<uintptr_t>(StaysInGuest), __HYPERVISOR_event_channel_op,
               EVTCHNOP_send, Word(&op), 0, 0, 0);
  }
  Report("own-instructions", SystemTimeNs() - start);
}

// The cheapest call that goes all the way to the VMM.
void MeasureCalls() {
  const uint64_t start = SystemTimeNs();
  for (uint32_t i = 0; i < kCalls; ++i) {
    VersionOp(XENVER_version, uintptr_t{0});
  }
  Report("call", SystemTimeNs() - start);
}

// From sending an event to this vCPU to having taken it in its interrupt.
void MeasureUpcalls(uint32_t port) {
  const uint64_t start = SystemTimeNs();
  for (uint32_t i = 0; i < kCalls; ++i) {
    const uint32_t seen = events_seen[port];
    Send(port);
    WaitForEvent(port, seen + 1);
  }
  Report("upcall", SystemTimeNs() - start);
}

#ifdef __x86_64__
// The same from ring 3, which is native where ring 0 is interpreted: there the guest's instructions
// do not count. What a call would do after leaving the guest it cannot do from ring 3, so the
// userspace exit is the barest there is: a write to the diagnostic port (0x80), which nobody reads.
constinit struct {
  uint32_t port;
  bool leaves;
} user_work;

void SendInUser() {
  for (uint32_t i = 0; i < kCalls; ++i) {
    if (user_work.leaves) {
      asm volatile("outl %0, $0x80" : : "a"(0) : "memory");
    } else {
      Send(user_work.port);
    }
  }
}

void MeasureFromUser(const char* name, bool leaves, uint32_t port) {
  user_work = {port, leaves};
  const uint64_t start = SystemTimeNs();
  EnterUser(reinterpret_cast<uintptr_t>(SendInUser), 0, 0, 0);  // code, called by address
  Report(name, SystemTimeNs() - start);
}
#endif

}  // namespace

void MeasureEvents() {
  // The VMM answers xenstore on the vCPU's thread, but has an eventfd for the console.
  uint64_t in_userspace = 0;
  uint64_t by_eventfd = 0;
  Check("bench/xenstore-port", GetParam(HVM_PARAM_STORE_EVTCHN, &in_userspace), 0);
  Check("bench/console-port", GetParam(HVM_PARAM_CONSOLE_EVTCHN, &by_eventfd), 0);
  const uint32_t own = BindIpi();
  for (uint32_t round = 0; round < kRounds; ++round) {
    MeasureSends("send-userspace", static_cast<uint32_t>(in_userspace));
    MeasureSends("send-ioeventfd", static_cast<uint32_t>(by_eventfd));
    MeasureOwnInstructions(own);
    MeasureCalls();
    MeasureUpcalls(own);
#ifdef __x86_64__
    MeasureFromUser("ring3-exit", true, 0);
    MeasureFromUser("ring3-ioeventfd", false, static_cast<uint32_t>(by_eventfd));
#endif
  }
}

}  // namespace micro
