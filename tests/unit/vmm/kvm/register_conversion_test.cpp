#include "src/vmm/kvm/register_conversion.h"

#include <cstring>

#include <gtest/gtest.h>

namespace veneer::kvm {
namespace {

// Bytes of a structure without padding: comparing them compares every field.
template <typename T>
bool SameBytes(const T& a, const T& b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

kvm_regs NumberedRegisters() {
  kvm_regs regs{};
  std::uint64_t values[sizeof regs / 8];
  for (std::size_t i = 0; i < std::size(values); ++i) {
    values[i] = 0x1111111111111111U * (i + 1);
  }
  std::memcpy(&regs, values, sizeof regs);
  return regs;
}

TEST(GeneralRegisters, KeepEveryValueThereAndBack) {
  const kvm_regs original = NumberedRegisters();
  EXPECT_TRUE(SameBytes(ToKvm(FromKvm(original)), original));
}

TEST(GeneralRegisters, AreIndexedByTheirEncoding) {
  kvm_regs from{};
  from.rax = 10;
  from.rcx = 11;
  from.rdx = 12;
  from.rbx = 13;
  from.rsp = 14;
  from.rbp = 15;
  from.rsi = 16;
  from.rdi = 17;
  from.r8 = 18;
  from.r15 = 25;
  from.rip = 26;
  from.rflags = 27;
  const Registers to = FromKvm(from);
  for (std::size_t i = 0; i < 9; ++i) {
    EXPECT_EQ(to.gpr[i], 10 + i);
  }
  EXPECT_EQ(to[Reg::kRbx], 13U);
  EXPECT_EQ(to[Reg::kR15], 25U);
  EXPECT_EQ(to.rip, 26U);
  EXPECT_EQ(to.rflags, 27U);
}

TEST(GeneralRegisters, DefaultToTheOneFlagThatIsAlwaysSet) {
  EXPECT_EQ(ToKvm(Registers{}).rflags, 2U);
}

kvm_segment NumberedSegment(std::uint16_t seed) {
  kvm_segment segment{};
  segment.base = 0x1000000000000000U + seed;
  segment.limit = 0x10000U + seed;
  segment.selector = static_cast<std::uint16_t>(seed * 8);
  segment.type = seed & 0xf;
  segment.present = 1;
  segment.dpl = seed & 3;
  segment.db = seed & 1;
  segment.s = seed >> 1 & 1;
  segment.l = seed >> 2 & 1;
  segment.g = seed >> 3 & 1;
  segment.avl = seed & 1;
  return segment;
}

kvm_sregs NumberedSystemRegisters() {
  kvm_sregs sregs{};
  std::uint16_t seed = 1;
  for (kvm_segment* segment :
       {&sregs.cs, &sregs.ds, &sregs.es, &sregs.fs, &sregs.gs, &sregs.ss, &sregs.tr, &sregs.ldt}) {
    *segment = NumberedSegment(seed++);
  }
  sregs.gdt.base = 0xffff888000001000;
  sregs.gdt.limit = 0x7f;
  sregs.idt.base = 0xfffffe0000000000;
  sregs.idt.limit = 0xfff;
  sregs.cr0 = 0x80050033;
  sregs.cr2 = 0xdead000;
  sregs.cr3 = 0x1234000;
  sregs.cr4 = 0x3506f0;
  sregs.cr8 = 5;
  sregs.efer = 0xd01;
  sregs.apic_base = 0xfee00d00;
  sregs.interrupt_bitmap[3] = 0x80;
  return sregs;
}

TEST(SystemRegisters, KeepEveryValueThereAndBack) {
  const kvm_sregs original = NumberedSystemRegisters();
  EXPECT_TRUE(SameBytes(ToKvm(FromKvm(original), original), original));
}

TEST(SystemRegisters, TakeThePendingInterruptFromTheStateTheyReplace) {
  kvm_sregs base{};
  base.interrupt_bitmap[1] = 0x10;
  base.cr3 = 0x9999000;
  SystemRegisters wanted;
  wanted.cr3 = 0x1000;
  const kvm_sregs result = ToKvm(wanted, base);
  EXPECT_EQ(result.interrupt_bitmap[1], 0x10U);
  EXPECT_EQ(result.cr3, 0x1000U);
}

TEST(SystemRegisters, MarkSegmentsThatAreNotPresentAsUnusable) {
  SystemRegisters state;
  state.cs.present = true;
  state.ldt.present = false;
  const kvm_sregs result = ToKvm(state, kvm_sregs{});
  EXPECT_EQ(result.cs.unusable, 0U);
  EXPECT_EQ(result.cs.present, 1U);
  EXPECT_EQ(result.ldt.unusable, 1U);
  EXPECT_EQ(result.ldt.present, 0U);
}

TEST(SystemRegisters, ReadEachFlagFromItsOwnField) {
  kvm_sregs from{};
  from.cs.l = 1;
  from.cs.present = 1;
  const SystemRegisters to = FromKvm(from);
  EXPECT_TRUE(to.cs.long_mode);
  EXPECT_TRUE(to.cs.present);
  EXPECT_FALSE(to.cs.default_size);
  EXPECT_FALSE(to.cs.system);
  EXPECT_FALSE(to.cs.granularity);
  EXPECT_FALSE(to.cs.available);
}

}  // namespace
}  // namespace veneer::kvm
