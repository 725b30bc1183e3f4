#include "vcpu_start.h"

namespace veneer {
namespace {

// Attributes as in xen/hvm/hvm_vcpu.h. `limit`: bytes.
Segment MakeSegment(std::uint32_t base, std::uint32_t limit, std::uint16_t attributes) {
  Segment segment;
  segment.base = base;
  segment.limit = limit;
  segment.type = attributes & 0xfU;
  segment.system = (attributes >> 4U & 1U) != 0;
  segment.dpl = attributes >> 5U & 3U;
  segment.present = (attributes >> 7U & 1U) != 0;
  segment.available = (attributes >> 8U & 1U) != 0;
  segment.long_mode = (attributes >> 9U & 1U) != 0;
  segment.default_size = (attributes >> 10U & 1U) != 0;
  segment.granularity = (attributes >> 11U & 1U) != 0;
  if (segment.present) {
    segment.type |= 1U;  // accessed; of a TSS, which is one of 32 or 64 bits
  }
  return segment;
}

void Fill(const vcpu_hvm_x86_32& from, Registers& registers, SystemRegisters& system) {
  constexpr std::uint16_t kBusy = 2;
  registers.gpr = {from.eax, from.ecx, from.edx, from.ebx, from.esp, from.ebp, from.esi, from.edi};
  registers.rip = from.eip;
  registers.rflags = from.eflags | kRflagsFixed;
  system.cs = MakeSegment(from.cs_base, from.cs_limit, from.cs_ar);
  system.ds = MakeSegment(from.ds_base, from.ds_limit, from.ds_ar);
  system.es = MakeSegment(from.es_base, from.es_limit, from.es_ar);
  system.ss = MakeSegment(from.ss_base, from.ss_limit, from.ss_ar);
  system.tr = MakeSegment(from.tr_base, from.tr_limit, from.tr_ar | kBusy);
  system.cr0 = from.cr0;
  system.cr3 = from.cr3;
  system.cr4 = from.cr4;
  system.efer = from.efer;
}

void Fill(const vcpu_hvm_x86_64& from, Registers& registers, SystemRegisters& system) {
  constexpr std::uint32_t kNoLimit = 0xffffffff;
  constexpr std::uint16_t kCode64 = 0xa9b;
  constexpr std::uint16_t kData = 0xc93;
  constexpr std::uint16_t kBusyTss = 0x8b;
  registers.gpr = {from.rax, from.rcx, from.rdx, from.rbx, from.rsp, from.rbp, from.rsi, from.rdi};
  registers.rip = from.rip;
  registers.rflags = from.rflags | kRflagsFixed;
  system.cs = MakeSegment(0, kNoLimit, kCode64);
  system.ds = system.es = system.ss = MakeSegment(0, kNoLimit, kData);
  system.tr = MakeSegment(0, 0x67, kBusyTss);
  system.cr0 = from.cr0;
  system.cr3 = from.cr3;
  system.cr4 = from.cr4;
  system.efer = from.efer;
}

}  // namespace

bool StartWith(Vcpu& vcpu, const vcpu_hvm_context_t& context) {
  Registers registers;
  SystemRegisters system = vcpu.GetSystemRegisters();
  if (context.mode == VCPU_HVM_MODE_32B) {
    Fill(context.cpu_regs.x86_32, registers, system);
  } else {
    Fill(context.cpu_regs.x86_64, registers, system);
  }
  // What the processor makes of the two.
  if ((system.efer & kEferLongModeEnable) != 0 && (system.cr0 & kCr0Paging) != 0) {
    system.efer |= kEferLongModeActive;
  } else {
    system.efer &= ~kEferLongModeActive;
  }
  if (!vcpu.SetSystemRegisters(system)) {
    return false;
  }
  vcpu.SetRegisters(registers);
  vcpu.MakeRunnable();
  return true;
}

}  // namespace veneer
