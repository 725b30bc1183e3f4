#include "hypercall.h"

#include "report.h"
#include "tests.h"
#include "traps.h"

extern "C" {
extern const volatile uint8_t SiteVmcall[];
extern const volatile uint8_t SiteVmmcall[];
}

namespace micro {
namespace {

constexpr uint32_t kStubSize = 32;
constexpr uint32_t kCpuidBase = 0x40000000;

alignas(kPageSize) uint8_t hypercall_page[kPageSize];
bool use_sites;
uintptr_t site;

// VMCALL is 0f 01 c1, VMMCALL 0f 01 d9. On many hosts either of them never returns.
bool IsPatched(const volatile uint8_t* code) { return code[0] != 0x0f || code[1] != 0x01; }

// Where KVM's Xen support intercepts both, nobody is to have touched them.
bool ChooseSite() {
  const bool rewritten = !HasWord("kvmxen");
  const bool right =
      CheckTrue("sites/vmcall-rewritten-or-not", IsPatched(SiteVmcall) == rewritten) &
      CheckTrue("sites/vmmcall-rewritten-or-not", IsPatched(SiteVmmcall) == rewritten);
  if (!right) {
    return false;
  }
  constexpr uint32_t kGenuineIntel = 0x756e6547;  // "Genu", EBX of leaf 0
  const bool intel = Cpuid(0).ebx == kGenuineIntel;
  const auto vmcall = reinterpret_cast<uintptr_t>(SiteVmcall);    // code, called by address
  const auto vmmcall = reinterpret_cast<uintptr_t>(SiteVmmcall);  // the same
  site = intel ? vmcall : vmmcall;
  const uintptr_t other = intel ? vmmcall : vmcall;
  Check("sites/both-work", CallTarget(other, __HYPERVISOR_xen_version, XENVER_version, 0, 0, 0, 0),
        Cpuid(kCpuidBase + 1).eax);
  return true;
}

bool WritePage() {
  const uint32_t msr = Cpuid(kCpuidBase + 2).ebx;
  Check("page/outside-memory-is-#GP", TryWriteMsr(msr, kNotRam), kGeneralProtection);
  Check("page/second-page-is-#GP", TryWriteMsr(msr, Word(hypercall_page) | 1), kGeneralProtection);
  return Check("page/msr-write", TryWriteMsr(msr, Word(hypercall_page)), kNoTrap) &&
         CheckTrue("page/filled", hypercall_page[__HYPERVISOR_xen_version * kStubSize] != 0);
}

}  // namespace

uintptr_t HypercallTarget(uint32_t number) {
  return use_sites ? site : Word(hypercall_page) + number * kStubSize;
}

bool SetUpHypercalls() {
  use_sites = HasWord("transport=sites");
  return use_sites ? ChooseSite() : WritePage();
}

// What every transport owes its caller.
void TestHypercalls() {
  constexpr uint32_t kUnknown = 60;
  Check("hypercall/unknown-number", Hypercall(kUnknown), -XEN_ENOSYS);
  Check("hypercall/last-of-the-page", Hypercall(127), -XEN_ENOSYS);
  Check("hypercall/pv-only", Hypercall(__HYPERVISOR_set_trap_table), -XEN_ENOSYS);
  if (use_sites) {
    // A page has no slot for these.
    Check("hypercall/huge-number", Hypercall(0x7fffffff), -XEN_ENOSYS);
    Check("hypercall/negative-number", Hypercall(0xffffffff), -XEN_ENOSYS);
  }
#ifdef __x86_64__
  // Every register but RAX survives.
  register uintptr_t rcx asm("rcx") = 0x1111;
  register uintptr_t rdi asm("rdi") = XENVER_version;
  register uintptr_t rsi asm("rsi") = 0x2222;
  register uintptr_t rdx asm("rdx") = 0x3333;
  register uintptr_t r8 asm("r8") = 0x4444;
  register uintptr_t r9 asm("r9") = 0x5555;
  register uintptr_t r10 asm("r10") = 0x6666;
  register uintptr_t r11 asm("r11") = 0x7777;
  uintptr_t rax = __HYPERVISOR_xen_version;
  const uintptr_t target = HypercallTarget(__HYPERVISOR_xen_version);
  asm volatile("call *%[target]"
               : "+a"(rax), "+r"(rcx), "+r"(rdi), "+r"(rsi), "+r"(rdx), "+r"(r8), "+r"(r9),
                 "+r"(r10), "+r"(r11)
               : [target] "m"(target)
               : "memory", "cc");
  CheckTrue("hypercall/registers-survive", rcx == 0x1111 && rdi == XENVER_version &&
                                               rsi == 0x2222 && rdx == 0x3333 && r8 == 0x4444 &&
                                               r9 == 0x5555 && r10 == 0x6666 && r11 == 0x7777);
#else
  uintptr_t ebx = XENVER_version;
  uintptr_t ecx = 0x1111;
  uintptr_t edx = 0x2222;
  uintptr_t esi = 0x3333;
  uintptr_t edi = 0x4444;
  uintptr_t eax = __HYPERVISOR_xen_version;
  static volatile uintptr_t place;
  place = HypercallTarget(__HYPERVISOR_xen_version);
  asm volatile("call *%[target]"
               : "+a"(eax), "+b"(ebx), "+c"(ecx), "+d"(edx), "+S"(esi), "+D"(edi)
               : [target] "m"(place)
               : "memory", "cc");
  CheckTrue("hypercall/registers-survive", ebx == XENVER_version && ecx == 0x1111 &&
                                               edx == 0x2222 && esi == 0x3333 && edi == 0x4444);
#endif
}

#ifdef __x86_64__
// Ring 3 gets EPERM whatever it asks for.
void TestPrivilege() {
  static evtchn_send_t send;
  send.port = 4000;
  const auto from_user = [](uint32_t number, uintptr_t first, uintptr_t second) {
    return EnterUser(HypercallTarget(number), number, first, second);
  };
  Check("ring3/xen_version", from_user(__HYPERVISOR_xen_version, XENVER_version, 0), -XEN_EPERM);
  Check("ring3/memory_op",
        from_user(__HYPERVISOR_memory_op, XENMEM_current_reservation, bad_address), -XEN_EPERM);
  Check("ring3/unknown", from_user(60, 0, 0), -XEN_EPERM);
  Check("ring3/send", from_user(__HYPERVISOR_event_channel_op, EVTCHNOP_send, Word(&send)),
        -XEN_EPERM);
  CheckTrue("ring3/ring0-again", Hypercall(__HYPERVISOR_xen_version, XENVER_version) > 0);
}

// KVM emulates what accesses a device's memory, and knows no POPCNT.
void TestUnknownInstruction() {
  constexpr uintptr_t kNoDevice = 0xfed40000;  // nor memory
  constexpr uint32_t kPopcnt = 1U << 23;
  CheckTrue("unknown/popcnt", (Cpuid(1).ecx & kPopcnt) != 0);
  const auto count = [](uintptr_t, uintptr_t) -> intptr_t { return TryPopulationCount(kNoDevice); };
  intptr_t (*const target)(uintptr_t, uintptr_t) = count;
  Check("unknown/ring3", EnterUser(reinterpret_cast<uintptr_t>(target), 0, 0, 0), kUndefinedOpcode);
}
#endif

}  // namespace micro
