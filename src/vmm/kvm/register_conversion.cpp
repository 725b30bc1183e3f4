#include "register_conversion.h"

namespace veneer::kvm {
namespace {

Segment FromKvm(const kvm_segment& from) {
  Segment to;
  to.base = from.base;
  to.limit = from.limit;
  to.selector = from.selector;
  to.type = from.type;
  to.present = from.present != 0;
  to.dpl = from.dpl;
  to.default_size = from.db != 0;
  to.system = from.s != 0;
  to.long_mode = from.l != 0;
  to.granularity = from.g != 0;
  to.available = from.avl != 0;
  return to;
}

std::uint8_t Bit(bool value) { return value ? 1 : 0; }

kvm_segment ToKvm(const Segment& from) {
  kvm_segment to{};
  to.base = from.base;
  to.limit = from.limit;
  to.selector = from.selector;
  to.type = from.type;
  to.present = Bit(from.present);
  to.dpl = from.dpl;
  to.db = Bit(from.default_size);
  to.s = Bit(from.system);
  to.l = Bit(from.long_mode);
  to.g = Bit(from.granularity);
  to.avl = Bit(from.available);
  to.unusable = Bit(!from.present);
  return to;
}

}  // namespace

Registers FromKvm(const kvm_regs& from) {
  Registers to;
  to.gpr = {from.rax, from.rcx, from.rdx, from.rbx, from.rsp, from.rbp, from.rsi, from.rdi,
            from.r8,  from.r9,  from.r10, from.r11, from.r12, from.r13, from.r14, from.r15};
  to.rip = from.rip;
  to.rflags = from.rflags;
  return to;
}

kvm_regs ToKvm(const Registers& from) {
  kvm_regs to{};
  to.rax = from[Reg::kRax];
  to.rcx = from[Reg::kRcx];
  to.rdx = from[Reg::kRdx];
  to.rbx = from[Reg::kRbx];
  to.rsp = from[Reg::kRsp];
  to.rbp = from[Reg::kRbp];
  to.rsi = from[Reg::kRsi];
  to.rdi = from[Reg::kRdi];
  to.r8 = from[Reg::kR8];
  to.r9 = from[Reg::kR9];
  to.r10 = from[Reg::kR10];
  to.r11 = from[Reg::kR11];
  to.r12 = from[Reg::kR12];
  to.r13 = from[Reg::kR13];
  to.r14 = from[Reg::kR14];
  to.r15 = from[Reg::kR15];
  to.rip = from.rip;
  to.rflags = from.rflags;
  return to;
}

SystemRegisters FromKvm(const kvm_sregs& from) {
  SystemRegisters to;
  to.cs = FromKvm(from.cs);
  to.ds = FromKvm(from.ds);
  to.es = FromKvm(from.es);
  to.fs = FromKvm(from.fs);
  to.gs = FromKvm(from.gs);
  to.ss = FromKvm(from.ss);
  to.tr = FromKvm(from.tr);
  to.ldt = FromKvm(from.ldt);
  to.gdt = {from.gdt.base, from.gdt.limit};
  to.idt = {from.idt.base, from.idt.limit};
  to.cr0 = from.cr0;
  to.cr2 = from.cr2;
  to.cr3 = from.cr3;
  to.cr4 = from.cr4;
  to.cr8 = from.cr8;
  to.efer = from.efer;
  to.apic_base = from.apic_base;
  return to;
}

kvm_sregs ToKvm(const SystemRegisters& from, const kvm_sregs& base) {
  kvm_sregs to = base;
  to.cs = ToKvm(from.cs);
  to.ds = ToKvm(from.ds);
  to.es = ToKvm(from.es);
  to.fs = ToKvm(from.fs);
  to.gs = ToKvm(from.gs);
  to.ss = ToKvm(from.ss);
  to.tr = ToKvm(from.tr);
  to.ldt = ToKvm(from.ldt);
  to.gdt.base = from.gdt.base;
  to.gdt.limit = from.gdt.limit;
  to.idt.base = from.idt.base;
  to.idt.limit = from.idt.limit;
  to.cr0 = from.cr0;
  to.cr2 = from.cr2;
  to.cr3 = from.cr3;
  to.cr4 = from.cr4;
  to.cr8 = from.cr8;
  to.efer = from.efer;
  to.apic_base = from.apic_base;
  return to;
}

}  // namespace veneer::kvm
