#include <cstdint>

#include "assist_fixture.h"

namespace veneer {
namespace {

using SystemInstructionTest = AssistFixture;

TEST_F(SystemInstructionTest, Int3InjectsBreakpointBehindItself) {
  ASSERT_EQ(Execute({0xcc}), Outcome::kHandled);
  EXPECT_EQ(vcpu_->registers.rip, kCode + 1);
  ASSERT_TRUE(vcpu_->injected.has_value());
  EXPECT_EQ(vcpu_->injected->vector, 3);
  EXPECT_EQ(vcpu_->injected->error_code, std::nullopt);
  EXPECT_EQ(metrics_.Get("assist.int3").value(), 1U);
}

TEST_F(SystemInstructionTest, UndefinedInstructionsInjectInvalidOpcode) {
  for (const Bytes& code : {Bytes{0x0f, 0x0b}, Bytes{0x0f, 0xb9, 0xc0}, Bytes{0x0f, 0xff, 0xc0}}) {
    vcpu_->injected.reset();
    ASSERT_EQ(Execute(code), Outcome::kHandled);
    ExpectFault(6, std::nullopt);
  }
}

TEST_F(SystemInstructionTest, ClacAndStacChangeOnlyTheAlignmentCheckFlag) {
  ASSERT_EQ(Execute({0x0f, 0x01, 0xcb}), Outcome::kHandled);
  EXPECT_EQ(vcpu_->registers.rflags, kKernelFlags | kRflagsAlignmentCheck);
  ExpectCompleted(3);
  vcpu_->registers.rip = kCode;
  ASSERT_EQ(Execute({0x0f, 0x01, 0xca}), Outcome::kHandled);
  EXPECT_EQ(vcpu_->registers.rflags, kKernelFlags);
  EXPECT_EQ(vcpu_->xsave_reads, 0);
}

TEST_F(SystemInstructionTest, ClacIsInvalidInUserMode) {
  EnterUserMode();
  ASSERT_EQ(Execute({0x0f, 0x01, 0xca}), Outcome::kHandled);
  ExpectFault(6, std::nullopt);
}

TEST_F(SystemInstructionTest, HintsAndFencesDoNothing) {
  const Registers before = vcpu_->registers;
  for (const Bytes& code :
       {Bytes{0xf3, 0x0f, 0x1e, 0xfa}, Bytes{0x0f, 0xae, 0xe8}, Bytes{0x0f, 0xae, 0xf0},
        Bytes{0x0f, 0xae, 0xf8}, Bytes{0xf3, 0x90}, Bytes{0x0f, 0x01, 0xe8},
        Bytes{0x0f, 0x18, 0x08}, Bytes{0x0f, 0x0d, 0x08}, Bytes{0x0f, 0x1f, 0x00}}) {
    vcpu_->registers = before;
    ASSERT_EQ(Execute(code), Outcome::kHandled);
    ExpectCompleted(code.size());
    EXPECT_EQ(vcpu_->registers.gpr, before.gpr);
    EXPECT_EQ(vcpu_->registers.rflags, before.rflags);
  }
}

TEST_F(SystemInstructionTest, CacheFlushChecksTheAddress) {
  Gpr(Reg::kRax) = kData + 5;
  ASSERT_EQ(Execute({0x0f, 0xae, 0x38}), Outcome::kHandled);
  ExpectCompleted(3);
  vcpu_->registers.rip = kCode;
  Gpr(Reg::kRax) = kDataEnd;
  ASSERT_EQ(Execute({0x0f, 0xae, 0x38}), Outcome::kHandled);
  ExpectPageFault(0, kDataEnd);
}

TEST_F(SystemInstructionTest, TraceFlagTrapsAfterTheInstruction) {
  vcpu_->registers.rflags |= kRflagsTrap;
  ASSERT_EQ(Execute({0x0f, 0x01, 0xca}), Outcome::kHandled);
  EXPECT_EQ(vcpu_->registers.rip, kCode + 3);
  ASSERT_TRUE(vcpu_->injected.has_value());
  EXPECT_EQ(vcpu_->injected->vector, 1);
}

TEST_F(SystemInstructionTest, ResumeFlagIsClearedByACompletedInstruction) {
  vcpu_->registers.rflags |= kRflagsResume;
  ASSERT_EQ(Execute({0x0f, 0x01, 0xca}), Outcome::kHandled);
  EXPECT_FALSE(Flag(kRflagsResume));
}

TEST_F(SystemInstructionTest, RdpidAndRdtscpReadTheMsrs) {
  vcpu_->msrs[0xc0000103] = 0x1234;
  vcpu_->msrs[0x10] = 0x1122334455667788;
  Gpr(Reg::kRbx) = ~std::uint64_t{0};
  ASSERT_EQ(Execute({0xf3, 0x0f, 0xc7, 0xfb}), Outcome::kHandled);
  EXPECT_EQ(Gpr(Reg::kRbx), 0x1234U);
  vcpu_->registers.rip = kCode;
  ASSERT_EQ(Execute({0x0f, 0x01, 0xf9}), Outcome::kHandled);
  EXPECT_EQ(Gpr(Reg::kRax), 0x55667788U);
  EXPECT_EQ(Gpr(Reg::kRdx), 0x11223344U);
  EXPECT_EQ(Gpr(Reg::kRcx), 0x1234U);
}

TEST_F(SystemInstructionTest, SegmentBasesAreReadAndWritten) {
  vcpu_->system.fs.base = 0x7fff12345678;
  ASSERT_EQ(Execute({0xf3, 0x48, 0x0f, 0xae, 0xc0}), Outcome::kHandled);  // rdfsbase rax
  EXPECT_EQ(Gpr(Reg::kRax), 0x7fff12345678U);
  vcpu_->registers.rip = kCode;
  Gpr(Reg::kRcx) = 0xffff888012345000;
  ASSERT_EQ(Execute({0xf3, 0x48, 0x0f, 0xae, 0xd9}), Outcome::kHandled);  // wrgsbase rcx
  EXPECT_EQ(vcpu_->system.gs.base, 0xffff888012345000U);
  vcpu_->registers.rip = kCode;
  ASSERT_EQ(Execute({0xf3, 0x0f, 0xae, 0xd9}), Outcome::kHandled);  // wrgsbase ecx
  EXPECT_EQ(vcpu_->system.gs.base, 0x12345000U);
}

TEST_F(SystemInstructionTest, SegmentBaseMustBeCanonicalAndEnabled) {
  Gpr(Reg::kRcx) = 0x8000000000000000;
  ASSERT_EQ(Execute({0xf3, 0x48, 0x0f, 0xae, 0xd9}), Outcome::kHandled);
  ExpectFault(13, 0);
  EXPECT_EQ(vcpu_->system.gs.base, 0U);
  vcpu_->system.cr4 &= ~kFsGsBase;
  ASSERT_EQ(Execute({0xf3, 0x48, 0x0f, 0xae, 0xc0}), Outcome::kHandled);
  ExpectFault(6, std::nullopt);
}

TEST_F(SystemInstructionTest, InvpcidFlushesByTogglingGlobalPages) {
  const std::uint64_t cr4 = vcpu_->system.cr4;
  Gpr(Reg::kRax) = 2;
  Gpr(Reg::kRbx) = kData;
  ASSERT_EQ(Execute({0x66, 0x0f, 0x38, 0x82, 0x03}), Outcome::kHandled);  // invpcid rax, [rbx]
  ExpectCompleted(5);
  ASSERT_EQ(vcpu_->system_settings.size(), 2U);
  EXPECT_EQ(vcpu_->system_settings[0].cr4, cr4 ^ 0x80);
  EXPECT_EQ(vcpu_->system_settings[1].cr4, cr4);
}

TEST_F(SystemInstructionTest, InvpcidRefusesBadTypesAndDescriptors) {
  Gpr(Reg::kRbx) = kData;
  Gpr(Reg::kRax) = 4;
  ASSERT_EQ(Execute({0x66, 0x0f, 0x38, 0x82, 0x03}), Outcome::kHandled);
  ExpectFault(13, 0);
  vcpu_->injected.reset();
  Gpr(Reg::kRax) = 2;
  Store<std::uint64_t>(kData, 0x1000);
  ASSERT_EQ(Execute({0x66, 0x0f, 0x38, 0x82, 0x03}), Outcome::kHandled);
  ExpectFault(13, 0);
  vcpu_->injected.reset();
  EnterUserMode();
  ASSERT_EQ(Execute({0x66, 0x0f, 0x38, 0x82, 0x03}), Outcome::kHandled);
  ExpectFault(13, 0);
}

TEST_F(SystemInstructionTest, BytesThatKvmDoesNotSayAreFetched) {
  ASSERT_TRUE(memory_->Write<std::uint8_t>(kCodeGpa, 0xcc));
  ASSERT_EQ(ExecuteFromMemory(), Outcome::kHandled);
  EXPECT_EQ(vcpu_->registers.rip, kCode + 1);
}

TEST_F(SystemInstructionTest, InstructionMayCrossAPage) {
  tables_->Map(kCode + kPageSize, Gpa{0x30000}, PageTableBuilder::kKernelCode);
  vcpu_->registers.rip = kCode + kPageSize - 1;
  ASSERT_TRUE(memory_->Write<std::uint8_t>(kCodeGpa + (kPageSize - 1), 0x0f));
  ASSERT_TRUE(memory_->Write<std::uint16_t>(Gpa{0x30000}, 0xcb01));
  ASSERT_EQ(Execute({0x0f}), Outcome::kHandled);  // KVM says the first page's bytes only
  EXPECT_EQ(vcpu_->registers.rip, kCode + kPageSize + 2);
  EXPECT_TRUE(Flag(kRflagsAlignmentCheck));
}

TEST_F(SystemInstructionTest, FetchFromAnUnmappedSecondPageIsAPageFault) {
  vcpu_->registers.rip = kCode + kPageSize - 1;
  ASSERT_TRUE(memory_->Write<std::uint8_t>(kCodeGpa + (kPageSize - 1), 0x0f));
  ASSERT_EQ(ExecuteFromMemory(), Outcome::kHandled);
  ASSERT_TRUE(vcpu_->injected.has_value());
  EXPECT_EQ(vcpu_->injected->vector, 14);
  EXPECT_EQ(vcpu_->injected->error_code, 0x10U);
  EXPECT_EQ(vcpu_->system.cr2, kCode + kPageSize);
}

TEST_F(SystemInstructionTest, UnknownInstructionsAreLeftAlone) {
  const Registers before = vcpu_->registers;
  for (const Bytes& code : {Bytes{0x0f, 0x05},                 // syscall
                            Bytes{0xc3},                       // ret
                            Bytes{0x50},                       // push rax
                            Bytes{0x0f, 0x30},                 // wrmsr
                            Bytes{0x8e, 0xd8},                 // mov ds, eax
                            Bytes{0x06, 0x00, 0x00, 0x00}}) {  // not valid
    EXPECT_EQ(Execute(code), Outcome::kNotMine);
    EXPECT_EQ(vcpu_->registers.rip, before.rip);
    EXPECT_FALSE(vcpu_->injected.has_value());
  }
}

TEST_F(SystemInstructionTest, OtherExitsAreNotMine) {
  EXPECT_EQ(assist_->OnExit(*vcpu_, InterruptedExit{}), Outcome::kNotMine);
  EXPECT_EQ(assist_->OnExit(*vcpu_, ShutdownExit{}), Outcome::kNotMine);
}

TEST_F(SystemInstructionTest, TryStepRefusesInstructionsThatTrap) {
  ASSERT_TRUE(memory_->Write<std::uint8_t>(kCodeGpa, 0xcc));
  EXPECT_FALSE(assist_->TryStep(*vcpu_));
  EXPECT_EQ(vcpu_->registers.rip, kCode);
  EXPECT_FALSE(vcpu_->injected.has_value());
  ASSERT_TRUE(memory_->Write<std::uint8_t>(kCodeGpa, 0xfc));
  vcpu_->registers.rflags |= 1U << 10;
  EXPECT_TRUE(assist_->TryStep(*vcpu_));
  EXPECT_EQ(vcpu_->registers.rip, kCode + 1);
  EXPECT_EQ(vcpu_->registers.rflags, kKernelFlags);
}

}  // namespace
}  // namespace veneer
