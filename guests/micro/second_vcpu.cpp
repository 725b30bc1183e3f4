// VCPUOP_initialise and VCPUOP_up: a second vCPU that begins where it is told to.
#include "arch.h"
#include "hypercall.h"
#include "report.h"
#include "tests.h"
#include "traps.h"

namespace micro {
namespace {

constexpr uint32_t kSecond = 1;

volatile uint32_t runs;
alignas(16) uint8_t stack[kPageSize];

[[noreturn]] void SecondMain() {
  runs = 1;
  for (;;) {
    asm volatile("cli; hlt");
  }
}

#define READ_CONTROL(number)                               \
  ([] {                                                    \
    uintptr_t value;                                       \
    asm volatile("mov %%cr" #number ", %0" : "=r"(value)); \
    return value;                                          \
  }())

// As a call of SecondMain() would find the stack.
uintptr_t StackPointer() { return Word(stack) + sizeof stack - sizeof(uintptr_t); }

vcpu_hvm_context_t SecondContext() {
  vcpu_hvm_context_t context{};
#ifdef __x86_64__
  context.mode = VCPU_HVM_MODE_64B;
  vcpu_hvm_x86_64& registers = context.cpu_regs.x86_64;
  registers.rip = Word(&SecondMain);
  registers.rsp = StackPointer();
  registers.cr0 = READ_CONTROL(0);
  registers.cr3 = READ_CONTROL(3);
  registers.cr4 = READ_CONTROL(4);
  constexpr uint32_t kEfer = 0xc0000080;
  TryReadMsr(kEfer, &registers.efer);
#else
  constexpr uint32_t kNoLimit = 0xffffffff;
  constexpr uint16_t kFlatData = 0xc93;
  context.mode = VCPU_HVM_MODE_32B;
  vcpu_hvm_x86_32& registers = context.cpu_regs.x86_32;
  registers.eip = Word(&SecondMain);
  registers.esp = StackPointer();
  registers.cr0 = READ_CONTROL(0);
  registers.cs_limit = registers.ds_limit = registers.ss_limit = registers.es_limit = kNoLimit;
  registers.cs_ar = 0xc9b;
  registers.ds_ar = registers.ss_ar = registers.es_ar = kFlatData;
  registers.tr_limit = 0x67;
  registers.tr_ar = 0x8b;
#endif
  return context;
}

}  // namespace

void TestSecondVcpu() {
  if (VcpuOp(VCPUOP_is_up, kSecond, 0) == -XEN_ENOENT) {
    return;  // this guest has one
  }
  vcpu_hvm_context_t context = SecondContext();
  Check("second/up-unprepared", VcpuOp(VCPUOP_up, kSecond, 0), -XEN_EINVAL);
  context.pad = 1;
  Check("second/initialise-bad", VcpuOp(VCPUOP_initialise, kSecond, &context), -XEN_EINVAL);
  context.pad = 0;
  Check("second/initialise", VcpuOp(VCPUOP_initialise, kSecond, &context), 0);
  Check("second/initialise-again", VcpuOp(VCPUOP_initialise, kSecond, &context), -XEN_EEXIST);
  Check("second/is_up-not-yet", VcpuOp(VCPUOP_is_up, kSecond, 0), 0);
  Check("second/up", VcpuOp(VCPUOP_up, kSecond, 0), 0);
  CheckTrue("second/runs", WaitForCount(runs, 1));
  Check("second/is_up", VcpuOp(VCPUOP_is_up, kSecond, 0), 1);
  Check("second/initialise-running", VcpuOp(VCPUOP_initialise, kSecond, &context), -XEN_EEXIST);
}

}  // namespace micro
