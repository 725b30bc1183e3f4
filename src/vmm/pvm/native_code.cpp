#include "native_code.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>

#include <cpuid.h>

#include "fpu_state.h"
#include "veneer/vmm/base/check.h"
#include "xsave_layout.h"

namespace veneer {
namespace {

constexpr std::size_t kSlotSize = 16;  // an instruction and a RET
constexpr std::size_t kCodeSize = NativeCode::kSlots * kSlotSize;
constexpr std::uint8_t kRet = 0xc3;

static_assert(offsetof(NativeFrame, fpu) == 0);
static_assert(offsetof(NativeFrame, gpr) == 4096);
static_assert(offsetof(NativeFrame, rflags) == 4224);
static_assert(offsetof(NativeFrame, entry) == 4232);
static_assert(offsetof(NativeFrame, fpu_components) == 4240);
static_assert(offsetof(NativeFrame, host_mxcsr) == 4248);
static_assert(offsetof(NativeFrame, host_control_word) == 4252);

}  // namespace

// In assembly because no compiler may keep anything in a register here. The host's stack stays in
// place throughout, so that signals are harmless; the frame's address waits on it meanwhile.
extern "C" void VeneerRunNative(NativeFrame* frame);
asm(R"(
  .text
  .p2align 4
  .globl VeneerRunNative
  .hidden VeneerRunNative
  .type VeneerRunNative, @function
VeneerRunNative:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  pushq %rdi
  pushq 4232(%rdi)
  cmpq $0, 4240(%rdi)
  je 1f
  stmxcsr 4248(%rdi)
  fnstcw 4252(%rdi)
  movl 4240(%rdi), %eax
  movl 4244(%rdi), %edx
  xrstor64 (%rdi)
1:
  pushq 4224(%rdi)
  popfq
  movq 4096(%rdi), %rax
  movq 4104(%rdi), %rcx
  movq 4112(%rdi), %rdx
  movq 4120(%rdi), %rbx
  movq 4136(%rdi), %rbp
  movq 4144(%rdi), %rsi
  movq 4160(%rdi), %r8
  movq 4168(%rdi), %r9
  movq 4176(%rdi), %r10
  movq 4184(%rdi), %r11
  movq 4192(%rdi), %r12
  movq 4200(%rdi), %r13
  movq 4208(%rdi), %r14
  movq 4216(%rdi), %r15
  movq 4152(%rdi), %rdi
  call *(%rsp)
  movq %rdi, (%rsp)
  movq 8(%rsp), %rdi
  movq %rax, 4096(%rdi)
  movq %rcx, 4104(%rdi)
  movq %rdx, 4112(%rdi)
  movq %rbx, 4120(%rdi)
  movq %rbp, 4136(%rdi)
  movq %rsi, 4144(%rdi)
  movq %r8, 4160(%rdi)
  movq %r9, 4168(%rdi)
  movq %r10, 4176(%rdi)
  movq %r11, 4184(%rdi)
  movq %r12, 4192(%rdi)
  movq %r13, 4200(%rdi)
  movq %r14, 4208(%rdi)
  movq %r15, 4216(%rdi)
  popq 4152(%rdi)
  pushfq
  popq 4224(%rdi)
  cmpq $0, 4240(%rdi)
  je 2f
  movl 4240(%rdi), %eax
  movl 4244(%rdi), %edx
  xsave64 (%rdi)
  fninit
  fldcw 4252(%rdi)
  ldmxcsr 4248(%rdi)
  testb $4, 4240(%rdi)
  jz 2f
  vzeroupper
2:
  popq %rdi
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size VeneerRunNative, . - VeneerRunNative
)");

std::unique_ptr<NativeCode> NativeCode::Create() {
  void* pages =
      mmap(nullptr, kCodeSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) {
    return nullptr;
  }
  return std::unique_ptr<NativeCode>(new NativeCode(static_cast<std::byte*>(pages)));
}

NativeCode::~NativeCode() { munmap(pages_, kCodeSize); }

bool NativeCode::Write(std::size_t slot, std::span<const std::uint8_t> instruction) {
  VENEER_CHECK(slot < kSlots && instruction.size() < kSlotSize);
  // Never writable and executable at once. Written and run at the same address, so that the
  // processor notices by itself.
  if (mprotect(pages_, kCodeSize, PROT_READ | PROT_WRITE) != 0) {
    return false;
  }
  const std::span<std::byte> code(pages_ + slot * kSlotSize, kSlotSize);
  std::ranges::copy(std::as_bytes(instruction), code.begin());
  code[instruction.size()] = std::byte{kRet};
  return mprotect(pages_, kCodeSize, PROT_READ | PROT_EXEC) == 0;
}

void NativeCode::Run(std::size_t slot, NativeFrame& frame) const {
  frame.entry = pages_ + slot * kSlotSize;
  VeneerRunNative(&frame);
}

std::uint64_t NativeFpuComponents() {
  constexpr std::uint64_t kAvx512 = 0xe0;  // upper halves that VEX instructions clear
  constexpr unsigned kOsxsave = 1U << 27;
  static const std::uint64_t components = []() -> std::uint64_t {
    unsigned eax = 0;
    unsigned ebx = 0;
    unsigned ecx = 0;
    unsigned edx = 0;
    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0 || (ecx & kOsxsave) == 0) {
      return 0;
    }
    asm volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    return eax & (kXfeatureX87 | kXfeatureSse | kXfeatureAvx | kAvx512) & HostXsaveLayout().known();
  }();
  return components;
}

}  // namespace veneer
