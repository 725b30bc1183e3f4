#include <array>
#include <bit>
#include <cstdint>

#include "assist_fixture.h"

namespace veneer {
namespace {

constexpr std::uint64_t kStatusFlags =
    kRflagsCarry | kRflagsParity | kRflagsAdjust | kRflagsZero | kRflagsSign | kRflagsOverflow;
constexpr std::uint64_t kOne = 0x3ff0000000000000;  // 1.0

class NativeInstructionTest : public AssistFixture {
 protected:
  void Run(const Bytes& code) {
    vcpu_->registers.rip = kCode;
    vcpu_->injected.reset();
    ASSERT_EQ(Execute(code), Outcome::kHandled);
  }
  void RunDone(const Bytes& code) {
    Run(code);
    ExpectCompleted(code.size());
  }
  std::uint64_t StatusFlags() const { return vcpu_->registers.rflags & kStatusFlags; }
  std::uint32_t Mxcsr() const { return LoadField<std::uint32_t>(vcpu_->xsave, kFxMxcsr); }
  void SetMxcsr(std::uint32_t value) { StoreField<std::uint32_t>(vcpu_->xsave, kFxMxcsr, value); }
  std::uint16_t X87Status() const { return LoadField<std::uint16_t>(vcpu_->xsave, kFxStatusWord); }
};

TEST_F(NativeInstructionTest, PopcntCountsAndSetsFlagsLikeTheProcessor) {
  for (const std::uint64_t value :
       {std::uint64_t{0}, std::uint64_t{0x8000000000000001}, ~std::uint64_t{0}}) {
    Gpr(Reg::kRbx) = value;
    vcpu_->registers.rflags = kKernelFlags | kRflagsCarry | kRflagsOverflow;
    RunDone({0xf3, 0x48, 0x0f, 0xb8, 0xc3});  // popcnt rax, rbx
    EXPECT_EQ(Gpr(Reg::kRax), static_cast<std::uint64_t>(std::popcount(value)));
    EXPECT_EQ(vcpu_->registers.rflags, kKernelFlags | (value == 0 ? kRflagsZero : 0));
  }
  EXPECT_EQ(vcpu_->xsave_reads, 0);
  EXPECT_EQ(metrics_.Get("assist.popcnt").value(), 3U);
}

TEST_F(NativeInstructionTest, FlagsOfCarryChainsGoInAndOut) {
  Gpr(Reg::kRax) = ~std::uint64_t{0};
  Gpr(Reg::kRbx) = 0;
  vcpu_->registers.rflags = kKernelFlags | kRflagsCarry;
  RunDone({0x66, 0x48, 0x0f, 0x38, 0xf6, 0xc3});  // adcx rax, rbx
  EXPECT_EQ(Gpr(Reg::kRax), 0U);
  EXPECT_EQ(StatusFlags(), kRflagsCarry);
  Gpr(Reg::kRax) = 5;
  RunDone({0xf3, 0x48, 0x0f, 0x38, 0xf6, 0xc3});  // adox rax, rbx
  EXPECT_EQ(Gpr(Reg::kRax), 5U);
  EXPECT_EQ(StatusFlags(), kRflagsCarry);
}

TEST_F(NativeInstructionTest, FlagsAgreeWithTheHost) {
  for (const std::uint64_t index : {0U, 7U, 31U, 64U, 200U}) {
    const std::uint64_t source = 0xf0f0f0f0deadbeef;
    std::uint64_t result = 0;
    std::uint64_t flags = 0;
    asm volatile("bzhi %[index], %[source], %[result]\n\tpushfq\n\tpopq %[flags]"
                 : [result] "=r"(result), [flags] "=r"(flags)
                 : [source] "r"(source), [index] "r"(index)
                 : "cc", "memory");
    Gpr(Reg::kRbx) = source;
    Gpr(Reg::kRcx) = index;
    RunDone({0xc4, 0xe2, 0xf0, 0xf5, 0xc3});  // bzhi rax, rbx, rcx
    EXPECT_EQ(Gpr(Reg::kRax), result);
    EXPECT_EQ(StatusFlags() & ~(kRflagsParity | kRflagsAdjust),
              flags & kStatusFlags & ~(kRflagsParity | kRflagsAdjust));
  }
}

TEST_F(NativeInstructionTest, BitManipulation) {
  Gpr(Reg::kRbx) = 0x00ff00ff00ff00ff;
  Gpr(Reg::kRcx) = 0x123456789abcdef0;
  RunDone({0xc4, 0xe2, 0xe0, 0xf2, 0xc1});  // andn rax, rbx, rcx
  EXPECT_EQ(Gpr(Reg::kRax), 0x123456789abcdef0U & ~0x00ff00ff00ff00ffU);
  RunDone({0xc4, 0xe3, 0xfb, 0xf0, 0xc3, 0x0d});  // rorx rax, rbx, 13
  EXPECT_EQ(Gpr(Reg::kRax), std::rotr(Gpr(Reg::kRbx), 13));
  Gpr(Reg::kRsi) = 0x10;
  RunDone({0xf3, 0x48, 0x0f, 0xbd, 0xd6});  // lzcnt rdx, rsi
  EXPECT_EQ(Gpr(Reg::kRdx), 59U);
  RunDone({0xf3, 0x48, 0x0f, 0xbc, 0xd6});  // tzcnt rdx, rsi
  EXPECT_EQ(Gpr(Reg::kRdx), 4U);
  Gpr(Reg::kRdx) = 1U << 31U;
  Gpr(Reg::kR10) = 1ULL << 40U;
  RunDone({0xc4, 0x42, 0xb3, 0xf6, 0xc2});  // mulx r8, r9, r10
  EXPECT_EQ(Gpr(Reg::kR8), 1U << 7U);
  EXPECT_EQ(Gpr(Reg::kR9), 0U);
}

TEST_F(NativeInstructionTest, ThirtyTwoBitResultsClearTheUpperHalf) {
  Gpr(Reg::kRax) = ~std::uint64_t{0};
  Gpr(Reg::kRbx) = 0xff;
  Gpr(Reg::kRcx) = 4;
  RunDone({0xc4, 0xe2, 0x70, 0xf5, 0xc3});  // bzhi eax, ebx, ecx
  EXPECT_EQ(Gpr(Reg::kRax), 0xfU);
}

TEST_F(NativeInstructionTest, HighByteRegisterIsRead) {
  Gpr(Reg::kRax) = 0x5600;
  RunDone({0xf2, 0x0f, 0x38, 0xf0, 0xc4});  // crc32 eax, ah
  const std::uint64_t with_high_byte = Gpr(Reg::kRax);
  Gpr(Reg::kRax) = 0x5600;
  Gpr(Reg::kRbx) = 0x56;
  RunDone({0xf2, 0x0f, 0x38, 0xf0, 0xc3});  // crc32 eax, bl
  EXPECT_EQ(Gpr(Reg::kRax), with_high_byte);
}

TEST_F(NativeInstructionTest, StackPointerCanBeAnOperand) {
  Gpr(Reg::kRbx) = 0x3;
  Gpr(Reg::kRsp) = 0x1234;
  const std::uint64_t rsi = Gpr(Reg::kRsi) = 0x5678;
  RunDone({0xf3, 0x48, 0x0f, 0xb8, 0xe3});  // popcnt rsp, rbx
  EXPECT_EQ(Gpr(Reg::kRsp), 2U);
  Gpr(Reg::kRsp) = 0xffff888000021234;
  RunDone({0x66, 0x48, 0x0f, 0x6e, 0xc4});  // movq xmm0, rsp
  EXPECT_EQ(GetXmm(0), (Xmm{0xffff888000021234, 0}));
  SetXmm(0, {0x42, 0});
  RunDone({0x66, 0x48, 0x0f, 0x7e, 0xc4});  // movq rsp, xmm0
  EXPECT_EQ(Gpr(Reg::kRsp), 0x42U);
  EXPECT_EQ(Gpr(Reg::kRbx), 0x3U);
  EXPECT_EQ(Gpr(Reg::kRsi), rsi);
}

TEST_F(NativeInstructionTest, OperandAddressHasBaseIndexScaleAndDisplacement) {
  Gpr(Reg::kRbx) = kData;
  Gpr(Reg::kRcx) = 3;
  Store<std::uint64_t>(kData + 3 * 8 + 0x10, 0xff);
  RunDone({0xf3, 0x48, 0x0f, 0xb8, 0x44, 0xcb, 0x10});  // popcnt rax, [rbx+rcx*8+0x10]
  EXPECT_EQ(Gpr(Reg::kRax), 8U);
  EXPECT_EQ(Gpr(Reg::kRbx), kData);
  EXPECT_EQ(Gpr(Reg::kRcx), 3U);
}

TEST_F(NativeInstructionTest, OperandMayBeRelativeToRip) {
  ASSERT_TRUE(memory_->Write<std::uint32_t>(kCodeGpa + 0x108, 0x7));
  RunDone({0xf3, 0x0f, 0xb8, 0x05, 0x00, 0x01, 0x00, 0x00});  // popcnt eax, [rip+0x100]
  EXPECT_EQ(Gpr(Reg::kRax), 3U);
}

TEST_F(NativeInstructionTest, OperandMayHaveASegmentBase) {
  vcpu_->system.gs.base = kData + 0x80;
  vcpu_->system.ds.base = 0x1000;  // has no meaning in 64-bit mode
  Store<std::uint64_t>(kData + 0xa0, 0xf);
  RunDone({0x65, 0xf3, 0x48, 0x0f, 0xb8, 0x04, 0x25, 0x20, 0, 0, 0});  // popcnt rax, gs:[0x20]
  EXPECT_EQ(Gpr(Reg::kRax), 4U);
}

TEST_F(NativeInstructionTest, AddressSizePrefixTruncates) {
  tables_->Map(0x12345000, Gpa{0x50000}, PageTableBuilder::kKernelData);
  ASSERT_TRUE(memory_->Write<std::uint32_t>(Gpa{0x50010}, 0x1f));
  Gpr(Reg::kRbx) = 0xdeadbeef12345000;
  RunDone({0x67, 0xf3, 0x0f, 0xb8, 0x43, 0x10});  // popcnt eax, [ebx+0x10]
  EXPECT_EQ(Gpr(Reg::kRax), 5U);
}

TEST_F(NativeInstructionTest, NonCanonicalAddressIsAGeneralProtectionFault) {
  Gpr(Reg::kRbx) = 0x8000000000000000;
  Run({0x0f, 0x10, 0x0b});  // movups xmm1, [rbx]
  ExpectFault(13, 0);
  Gpr(Reg::kRsp) = 0x8000000000000000;
  Run({0xf3, 0x0f, 0x10, 0x4c, 0x24, 0x08});  // movss xmm1, [rsp+8]
  ExpectFault(12, 0);
}

TEST_F(NativeInstructionTest, LoadsAndStoresMayCrossPages) {
  const std::uint64_t address = kData + kPageSize - 5;
  Store<Xmm>(address, {0x1122334455667788, 0x99aabbccddeeff00});
  Gpr(Reg::kRbx) = address;
  RunDone({0x0f, 0x10, 0x0b});  // movups xmm1, [rbx]
  EXPECT_EQ(GetXmm(1), (Xmm{0x1122334455667788, 0x99aabbccddeeff00}));
  SetXmm(1, {1, 2});
  RunDone({0x0f, 0x11, 0x0b});  // movups [rbx], xmm1
  EXPECT_EQ(Load<Xmm>(address), (Xmm{1, 2}));
}

TEST_F(NativeInstructionTest, LoadFaultsSayTheAddressThatIsMissing) {
  Gpr(Reg::kRbx) = kDataEnd - 4;
  SetXmm(1, {1, 2});
  Run({0x0f, 0x10, 0x0b});
  ExpectPageFault(0, kDataEnd);
  EXPECT_EQ(GetXmm(1), (Xmm{1, 2}));
  EXPECT_EQ(metrics_.Get("assist.movups").value(), 1U);
}

TEST_F(NativeInstructionTest, StoreToAReadOnlySecondPageWritesNothing) {
  tables_->Map(kData + kPageSize, kDataGpa[1], PageTableBuilder::kPresent);
  Gpr(Reg::kRbx) = kData + kPageSize - 8;
  SetXmm(1, {~std::uint64_t{0}, ~std::uint64_t{0}});
  Run({0x0f, 0x11, 0x0b});
  ExpectPageFault(3, kData + kPageSize);
  EXPECT_EQ(Load<std::uint64_t>(kData + kPageSize - 8), 0U);
}

TEST_F(NativeInstructionTest, UserCodeNeedsUserPages) {
  EnterUserMode();
  Gpr(Reg::kRbx) = kData;
  Run({0x0f, 0x11, 0x0b});
  ExpectPageFault(7, kData);
}

TEST_F(NativeInstructionTest, AlignedFormsWantAlignment) {
  const std::vector<Bytes> strict = {
      {0x0f, 0x28, 0x0b},              // movaps xmm1, [rbx]
      {0x66, 0x44, 0x0f, 0x7f, 0x0b},  // movdqa [rbx], xmm9
      {0x66, 0x0f, 0x38, 0x00, 0x0b},  // pshufb xmm1, [rbx]
  };
  const std::vector<Bytes> relaxed = {
      {0x0f, 0x10, 0x0b},                 // movups xmm1, [rbx]
      {0xf3, 0x0f, 0x6f, 0x0b},           // movdqu xmm1, [rbx]
      {0x66, 0x0f, 0x3a, 0x61, 0x0b, 0},  // pcmpestri xmm1, [rbx], 0
      {0xf3, 0x0f, 0x5e, 0x0b},           // divss xmm1, [rbx]
  };
  Gpr(Reg::kRbx) = kData + 8;
  for (const Bytes& code : strict) {
    Run(code);
    ExpectFault(13, 0);
  }
  for (const Bytes& code : relaxed) {
    RunDone(code);
  }
  Gpr(Reg::kRbx) = kData + 16;
  for (const Bytes& code : strict) {
    RunDone(code);
  }
}

TEST_F(NativeInstructionTest, VexWantsAlignmentOnlyInAlignedMoves) {
  Gpr(Reg::kRbx) = kData + 16;
  Run({0xc5, 0xfd, 0x6f, 0x0b});  // vmovdqa ymm1, [rbx]
  ExpectFault(13, 0);
  RunDone({0xc5, 0xed, 0xfe, 0x0b});  // vpaddd ymm1, ymm2, [rbx]
  Gpr(Reg::kRbx) = kData + 32;
  RunDone({0xc5, 0xfd, 0x6f, 0x0b});
}

TEST_F(NativeInstructionTest, UpperHalvesOfYmmMoveAndAreCleared) {
  Gpr(Reg::kRbx) = kData + 1;
  Store<std::array<std::uint64_t, 4>>(kData + 1, {1, 2, 3, 4});
  RunDone({0xc5, 0xfe, 0x6f, 0x0b});  // vmovdqu ymm1, [rbx]
  EXPECT_EQ(GetXmm(1), (Xmm{1, 2}));
  EXPECT_NE(LoadField<std::uint64_t>(vcpu_->xsave, kXsaveStateBv) & kXfeatureAvx, 0U);
  Gpr(Reg::kRbx) = kData + 0x100;
  RunDone({0xc5, 0xfe, 0x7f, 0x0b});  // vmovdqu [rbx], ymm1
  EXPECT_EQ((Load<std::array<std::uint64_t, 4>>(kData + 0x100)),
            (std::array<std::uint64_t, 4>{1, 2, 3, 4}));
  RunDone({0xc5, 0xf8, 0x77});        // vzeroupper
  RunDone({0xc5, 0xfe, 0x7f, 0x0b});  // vmovdqu [rbx], ymm1
  EXPECT_EQ((Load<std::array<std::uint64_t, 4>>(kData + 0x100)),
            (std::array<std::uint64_t, 4>{1, 2, 0, 0}));
}

TEST_F(NativeInstructionTest, AvxMustBeSwitchedOn) {
  vcpu_->xcr0 = 3;
  Run({0xc5, 0xf8, 0x77});
  ExpectFault(6, std::nullopt);
  RunDone({0xc4, 0xe2, 0xe0, 0xf2, 0xc1});  // andn has VEX, but no FPU state
}

TEST_F(NativeInstructionTest, SimdStateSurvivesAroundTheInstruction) {
  for (std::size_t i = 0; i < 16; ++i) {
    SetXmm(i, {i + 1, i + 100});
  }
  RunDone({0x66, 0x0f, 0xef, 0xca});  // pxor xmm1, xmm2
  EXPECT_EQ(GetXmm(1), (Xmm{2U ^ 3U, 101U ^ 102U}));
  for (const std::size_t i : {0U, 2U, 3U, 15U}) {
    EXPECT_EQ(GetXmm(i), (Xmm{i + 1, i + 100}));
  }
  EXPECT_EQ(Mxcsr(), kMxcsrReset);
}

TEST_F(NativeInstructionTest, MaskedSimdExceptionsAreFlagged) {
  SetXmm(1, {kOne, 0});
  SetXmm(2, {0, 0});
  RunDone({0xf2, 0x0f, 0x5e, 0xca});  // divsd xmm1, xmm2
  EXPECT_EQ(GetXmm(1)[0], 0x7ff0000000000000U);
  EXPECT_EQ(Mxcsr(), kMxcsrReset | 4U);
}

TEST_F(NativeInstructionTest, UnmaskedSimdExceptionsFaultWithoutAResult) {
  SetXmm(1, {kOne, 0});
  SetXmm(2, {0, 0});
  SetMxcsr(0x1d80);  // division by zero unmasked
  Run({0xf2, 0x0f, 0x5e, 0xca});
  ExpectFault(19, std::nullopt);
  EXPECT_EQ(GetXmm(1)[0], kOne);
  EXPECT_EQ(Mxcsr(), 0x1d84U);
  vcpu_->system.cr4 &= ~kCr4Osxmmexcpt;
  Run({0xf2, 0x0f, 0x5e, 0xca});
  ExpectFault(6, std::nullopt);
}

TEST_F(NativeInstructionTest, RoundingModeIsTheGuests) {
  constexpr std::uint32_t kRoundUp = 0x4000;
  SetXmm(1, {kOne, 0});
  SetXmm(2, {0x4008000000000000, 0});  // 3.0
  SetMxcsr(kMxcsrReset | kRoundUp);
  RunDone({0xf2, 0x0f, 0x5e, 0xca});
  EXPECT_EQ(GetXmm(1)[0], 0x3fd5555555555556U);
  EXPECT_EQ(Mxcsr(), kMxcsrReset | kRoundUp | 0x20U);
}

TEST_F(NativeInstructionTest, X87ValuesAreLoadedComputedAndStored) {
  RunDone({0xd9, 0xe8});  // fld1
  RunDone({0xd9, 0xe8});
  RunDone({0xde, 0xc1});  // faddp st(1), st
  Gpr(Reg::kRbx) = kData + kPageSize - 5;
  RunDone({0xdb, 0x3b});  // fstp tbyte ptr [rbx]
  EXPECT_EQ(Load<std::uint64_t>(kData + kPageSize - 5), 0x8000000000000000U);
  EXPECT_EQ(Load<std::uint16_t>(kData + kPageSize + 3), 0x4000);  // 2.0
}

TEST_F(NativeInstructionTest, UnmaskedX87ExceptionIsReportedByTheNextInstruction) {
  StoreField<std::uint16_t>(vcpu_->xsave, kFxControlWord, 0x37b);  // division by zero
  RunDone({0xd9, 0xe8});                                           // fld1
  RunDone({0xd9, 0xee});                                           // fldz
  RunDone({0xd8, 0xf9});                                           // fdivr st, st(1)
  EXPECT_EQ(X87Status() & 0x8084U, 0x8084U);
  EXPECT_EQ(LoadField<std::uint64_t>(vcpu_->xsave, kFxRegisters), 0U);  // still 0.0
  EXPECT_EQ(LoadField<std::uint16_t>(vcpu_->xsave, kFxControlWord), 0x37b);
  Run({0xd9, 0xe8});
  ExpectFault(16, std::nullopt);
  Run({0x0f, 0x77});  // emms
  ExpectFault(16, std::nullopt);
}

TEST_F(NativeInstructionTest, X87PointersDoNotShowTheHostsAddresses) {
  Gpr(Reg::kRbx) = kData;
  RunDone({0xd9, 0x03});  // fld dword ptr [rbx]
  EXPECT_EQ(LoadField<std::uint64_t>(vcpu_->xsave, kFxInstructionPointer), 0U);
  EXPECT_EQ(LoadField<std::uint64_t>(vcpu_->xsave, kFxDataPointer), 0U);
}

TEST_F(NativeInstructionTest, HostFpuSettingsAreUntouched) {
  SetMxcsr(0x7fc0);
  StoreField<std::uint16_t>(vcpu_->xsave, kFxControlWord, 0x27f);
  RunDone({0xd9, 0xe8});
  RunDone({0x66, 0x0f, 0xef, 0xca});
  std::uint32_t mxcsr = 0;
  std::uint16_t control = 0;
  asm volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(control));
  EXPECT_EQ(mxcsr & ~0x3fU, kMxcsrReset);
  EXPECT_EQ(control, kControlWordReset);
}

TEST_F(NativeInstructionTest, RandomNumbersComeWithCarry) {
  vcpu_->registers.rflags = kKernelFlags;
  RunDone({0x48, 0x0f, 0xc7, 0xf0});  // rdrand rax
  EXPECT_TRUE(Flag(kRflagsCarry) || Gpr(Reg::kRax) == 0);
}

TEST_F(NativeInstructionTest, ThirtyTwoBitCodeRunsToo) {
  EnterProtectedMode();
  ASSERT_TRUE(memory_->Write<std::uint32_t>(Gpa{0x22010}, 0x7f));
  Gpr(Reg::kRbx) = 0x22000;
  ASSERT_EQ(Execute({0xf3, 0x0f, 0xb8, 0x43, 0x10}), Outcome::kHandled);  // popcnt eax, [ebx+16]
  EXPECT_EQ(Gpr(Reg::kRax), 7U);
  EXPECT_EQ(vcpu_->registers.rip, kCodeGpa.value + 5);
  vcpu_->system.ds.limit = 0x22012;
  ASSERT_EQ(Execute({0xf3, 0x0f, 0xb8, 0x43, 0x10}), Outcome::kHandled);
  ASSERT_TRUE(vcpu_->injected.has_value());
  EXPECT_EQ(vcpu_->injected->vector, 13);
}

TEST_F(NativeInstructionTest, MemoryWithoutRamIsLeftToTheReport) {
  tables_->Map(kDataEnd, Gpa{0xfee00000}, PageTableBuilder::kKernelData);
  Gpr(Reg::kRbx) = kDataEnd;
  vcpu_->registers.rip = kCode;
  EXPECT_EQ(Execute({0x0f, 0x10, 0x0b}), Outcome::kNotMine);
}

TEST_F(NativeInstructionTest, MoreEncodingsThanSlotsStillRun) {
  Gpr(Reg::kRcx) = 0x8000000000000001;
  for (unsigned round = 0; round < 2; ++round) {
    for (unsigned amount = 0; amount < 256; ++amount) {
      RunDone({0xc4, 0xe3, 0xfb, 0xf0, 0xc1, static_cast<std::uint8_t>(amount)});  // rorx rax, rcx
      ASSERT_EQ(Gpr(Reg::kRax), std::rotr(Gpr(Reg::kRcx), static_cast<int>(amount & 63U)));
      RunDone({0xc4, 0xe3, 0xfb, 0xf0, 0xd1, static_cast<std::uint8_t>(amount)});  // rorx rdx, rcx
      ASSERT_EQ(Gpr(Reg::kRdx), Gpr(Reg::kRax));
    }
  }
}

}  // namespace
}  // namespace veneer
