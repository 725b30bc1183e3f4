#include <cstdint>

#include "assist_fixture.h"

namespace veneer {
namespace {

class FpuInstructionTest : public AssistFixture {
 protected:
  static constexpr std::uint64_t kTaskSwitched = 8;

  std::uint32_t Mxcsr() const { return LoadField<std::uint32_t>(vcpu_->xsave, kFxMxcsr); }
  std::uint16_t ControlWord() const {
    return LoadField<std::uint16_t>(vcpu_->xsave, kFxControlWord);
  }
  void SetX87(std::uint16_t control, std::uint16_t status) {
    StoreField<std::uint16_t>(vcpu_->xsave, kFxControlWord, control);
    StoreField<std::uint16_t>(vcpu_->xsave, kFxStatusWord, status);
  }
};

TEST_F(FpuInstructionTest, FwaitReportsAPendingError) {
  ASSERT_EQ(Execute({0x9b}), Outcome::kHandled);
  ExpectCompleted(1);
  vcpu_->registers.rip = kCode;
  SetX87(0x37e, 0x8081);  // invalid operation, unmasked
  ASSERT_EQ(Execute({0x9b}), Outcome::kHandled);
  ExpectFault(16, std::nullopt);
}

TEST_F(FpuInstructionTest, FwaitNeedsBothMonitorAndTaskSwitchedToFault) {
  vcpu_->system.cr0 |= kTaskSwitched;
  ASSERT_EQ(Execute({0x9b}), Outcome::kHandled);
  ExpectCompleted(1);
  vcpu_->registers.rip = kCode;
  vcpu_->system.cr0 |= 2;
  ASSERT_EQ(Execute({0x9b}), Outcome::kHandled);
  ExpectFault(7, std::nullopt);
}

TEST_F(FpuInstructionTest, MxcsrIsLoadedAndStored) {
  Gpr(Reg::kRax) = kData + 4;
  Store<std::uint32_t>(kData + 4, 0x9fc0);
  ASSERT_EQ(Execute({0x0f, 0xae, 0x10}), Outcome::kHandled);  // ldmxcsr [rax]
  EXPECT_EQ(Mxcsr(), 0x9fc0U);
  vcpu_->registers.rip = kCode;
  Gpr(Reg::kRax) = kData + kPageSize - 2;
  ASSERT_EQ(Execute({0x0f, 0xae, 0x18}), Outcome::kHandled);  // stmxcsr [rax]
  EXPECT_EQ(Load<std::uint32_t>(kData + kPageSize - 2), 0x9fc0U);
}

TEST_F(FpuInstructionTest, MxcsrWithReservedBitsIsRefused) {
  Gpr(Reg::kRax) = kData;
  Store<std::uint32_t>(kData, 0x80001f80);
  ASSERT_EQ(Execute({0x0f, 0xae, 0x10}), Outcome::kHandled);
  ExpectFault(13, 0);
  EXPECT_EQ(Mxcsr(), kMxcsrReset);
}

TEST_F(FpuInstructionTest, ControlRegistersDecideWhetherThereIsAnFpu) {
  Gpr(Reg::kRax) = kData;
  vcpu_->system.cr0 |= kTaskSwitched;
  ASSERT_EQ(Execute({0x0f, 0xae, 0x18}), Outcome::kHandled);
  ExpectFault(7, std::nullopt);
  vcpu_->system.cr0 &= ~kTaskSwitched;
  vcpu_->system.cr4 &= ~kCr4Osfxsr;
  ASSERT_EQ(Execute({0x0f, 0xae, 0x18}), Outcome::kHandled);
  ExpectFault(6, std::nullopt);
}

TEST_F(FpuInstructionTest, FninitResetsWhatItResets) {
  SetX87(0x27f, 0x3801);
  SetXmm(3, {1, 2});
  ASSERT_EQ(Execute({0xdb, 0xe3}), Outcome::kHandled);
  EXPECT_EQ(ControlWord(), kControlWordReset);
  EXPECT_EQ(LoadField<std::uint16_t>(vcpu_->xsave, kFxStatusWord), 0);
  EXPECT_EQ(GetXmm(3), (Xmm{1, 2}));
}

TEST_F(FpuInstructionTest, ControlAndStatusWordsMove) {
  Gpr(Reg::kRax) = kData;
  Store<std::uint16_t>(kData, 0x27f);
  ASSERT_EQ(Execute({0xd9, 0x28}), Outcome::kHandled);  // fldcw [rax]
  EXPECT_EQ(ControlWord(), 0x27f);
  vcpu_->registers.rip = kCode;
  ASSERT_EQ(Execute({0xd9, 0x78, 0x02}), Outcome::kHandled);  // fnstcw [rax+2]
  EXPECT_EQ(Load<std::uint16_t>(kData + 2), 0x27f);
  vcpu_->registers.rip = kCode;
  SetX87(0x37f, 0x3805);
  Gpr(Reg::kRax) = 0xffff'ffff'ffff'ffff;
  ASSERT_EQ(Execute({0xdf, 0xe0}), Outcome::kHandled);  // fnstsw ax
  EXPECT_EQ(Gpr(Reg::kRax), 0xffff'ffff'ffff'3805U);
  vcpu_->registers.rip = kCode;
  ASSERT_EQ(Execute({0xdb, 0xe2}), Outcome::kHandled);  // fnclex
  EXPECT_EQ(LoadField<std::uint16_t>(vcpu_->xsave, kFxStatusWord), 0x3800);
}

TEST_F(FpuInstructionTest, UnmaskingAPendingErrorSetsTheSummary) {
  SetX87(0x37f, 0x0001);
  Gpr(Reg::kRax) = kData;
  Store<std::uint16_t>(kData, 0x37e);
  ASSERT_EQ(Execute({0xd9, 0x28}), Outcome::kHandled);
  EXPECT_EQ(LoadField<std::uint16_t>(vcpu_->xsave, kFxStatusWord), 0x8081);
}

TEST_F(FpuInstructionTest, FxsaveAndFxrstorRoundTrip) {
  SetXmm(0, {0x1111, 0x2222});
  SetXmm(15, {0x3333, 0x4444});
  StoreField<std::uint64_t>(vcpu_->xsave, kFxInstructionPointer, 0xffffffff81234567);
  const XsaveArea before = vcpu_->xsave;
  Store<std::uint64_t>(kData + 464, 0x5555);  // not the processor's
  Gpr(Reg::kRdi) = kData;
  ASSERT_EQ(Execute({0x48, 0x0f, 0xae, 0x07}), Outcome::kHandled);  // fxsave64 [rdi]
  EXPECT_EQ(Load<std::uint64_t>(kData + kFxInstructionPointer), 0xffffffff81234567U);
  EXPECT_EQ(Load<std::uint32_t>(kData + kFxMxcsrMask), MxcsrMask());
  EXPECT_EQ((Load<Xmm>(kData + kFxXmm + 15 * 16)), (Xmm{0x3333, 0x4444}));
  EXPECT_EQ(Load<std::uint64_t>(kData + 464), 0x5555U);
  SetXmm(0, {0, 0});
  SetXmm(15, {0, 0});
  StoreField<std::uint32_t>(vcpu_->xsave, kFxMxcsr, 0x1fc0);
  vcpu_->registers.rip = kCode;
  ASSERT_EQ(Execute({0x48, 0x0f, 0xae, 0x0f}), Outcome::kHandled);  // fxrstor64 [rdi]
  ExpectCompleted(4);
  EXPECT_EQ(vcpu_->xsave, before);
}

TEST_F(FpuInstructionTest, FxsaveWithoutRexHasShortPointers) {
  StoreField<std::uint64_t>(vcpu_->xsave, kFxInstructionPointer, 0xffffffff81234567);
  Gpr(Reg::kRdi) = kData;
  ASSERT_EQ(Execute({0x0f, 0xae, 0x07}), Outcome::kHandled);
  EXPECT_EQ(Load<std::uint64_t>(kData + kFxInstructionPointer), 0x81234567U);
}

TEST_F(FpuInstructionTest, FxsaveIn32BitModeLeavesTheUpperRegistersAlone) {
  EnterProtectedMode();
  SetXmm(7, {7, 7});
  SetXmm(8, {8, 8});
  Gpr(Reg::kRdi) = 0x22000;
  ASSERT_EQ(Execute({0x0f, 0xae, 0x07}), Outcome::kHandled);
  EXPECT_EQ(memory_->Read<std::uint64_t>(Gpa{0x22000 + kFxXmm + 7 * 16}), 7U);
  EXPECT_EQ(memory_->Read<std::uint64_t>(Gpa{0x22000 + kFxXmm + 8 * 16}), 0U);
}

TEST_F(FpuInstructionTest, FxrstorRefusesWhatTheProcessorRefuses) {
  Gpr(Reg::kRdi) = kData + 8;
  ASSERT_EQ(Execute({0x48, 0x0f, 0xae, 0x0f}), Outcome::kHandled);
  ExpectFault(13, 0);
  const XsaveArea before = vcpu_->xsave;
  Gpr(Reg::kRdi) = kData;
  Store<std::uint32_t>(kData + kFxMxcsr, 0x80000000);
  ASSERT_EQ(Execute({0x48, 0x0f, 0xae, 0x0f}), Outcome::kHandled);
  ExpectFault(13, 0);
  EXPECT_EQ(vcpu_->xsave, before);
}

TEST_F(FpuInstructionTest, FxsaveFaultsBeforeItWritesAnything) {
  Gpr(Reg::kRdi) = kDataEnd - 0x100;
  ASSERT_EQ(Execute({0x48, 0x0f, 0xae, 0x07}), Outcome::kHandled);
  ExpectPageFault(2, kDataEnd);
  EXPECT_EQ(Load<std::uint16_t>(kDataEnd - 0x100), 0);
}

}  // namespace
}  // namespace veneer
