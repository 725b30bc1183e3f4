#include <algorithm>
#include <cstdint>

#include "assist_fixture.h"
#include "src/vmm/pvm/xsave_layout.h"

namespace veneer {
namespace {

constexpr std::uint64_t kCompacted = std::uint64_t{1} << 63;
constexpr std::size_t kYmmSize = 256;

class XsaveInstructionTest : public AssistFixture {
 protected:
  const Bytes kXsave64{0x48, 0x0f, 0xae, 0x27};     // xsave64 [rdi]
  const Bytes kXsaveopt64{0x48, 0x0f, 0xae, 0x37};  // xsaveopt64 [rdi]
  const Bytes kXsavec64{0x48, 0x0f, 0xc7, 0x27};    // xsavec64 [rdi]
  const Bytes kXsaves64{0x48, 0x0f, 0xc7, 0x2f};    // xsaves64 [rdi]
  const Bytes kXrstor64{0x48, 0x0f, 0xae, 0x2f};    // xrstor64 [rdi]
  const Bytes kXrstors64{0x48, 0x0f, 0xc7, 0x1f};   // xrstors64 [rdi]

  void SetUp() override {
    AssistFixture::SetUp();
    ymm_ = HostXsaveLayout().Find(2);
    if (ymm_ == nullptr) {
      GTEST_SKIP() << "the processor has no AVX";
    }
    Gpr(Reg::kRdi) = kData + 0x40;
    Gpr(Reg::kRax) = 7;
    SetXmm(1, {0x11, 0x22});
    SetYmmHigh(3, {0x33, 0x44});
    SetInUse(7);
  }

  void SetYmmHigh(std::size_t number, const Xmm& value) {
    StoreField<Xmm>(vcpu_->xsave, ymm_->standard_offset + number * 16, value);
  }
  Xmm YmmHigh(std::size_t number) const {
    return LoadField<Xmm>(vcpu_->xsave, ymm_->standard_offset + number * 16);
  }
  void SetInUse(std::uint64_t components) {
    StoreField<std::uint64_t>(vcpu_->xsave, kXsaveStateBv, components);
  }
  std::uint64_t InUse() const { return LoadField<std::uint64_t>(vcpu_->xsave, kXsaveStateBv); }
  std::uint64_t Image(std::size_t offset) const {
    return Load<std::uint64_t>(kData + 0x40 + offset);
  }
  void SetImage(std::size_t offset, std::uint64_t value) { Store(kData + 0x40 + offset, value); }

  void Run(const Bytes& code) {
    vcpu_->registers.rip = kCode;
    vcpu_->injected.reset();
    ASSERT_EQ(Execute(code), Outcome::kHandled);
  }
  void WipeState() {
    vcpu_->xsave.fill(std::byte{0});
    StoreField<std::uint32_t>(vcpu_->xsave, kFxMxcsr, kMxcsrReset);
    StoreField<std::uint16_t>(vcpu_->xsave, kFxControlWord, kControlWordReset);
  }

  const XsaveComponent* ymm_ = nullptr;
};

TEST_F(XsaveInstructionTest, XsaveWritesTheStandardFormat) {
  SetImage(kXsaveCompactionBv, 0x77);  // XSAVE leaves it
  SetImage(kXsaveStateBv, std::uint64_t{1} << 9);
  Run(kXsave64);
  ExpectCompleted(4);
  EXPECT_EQ(Image(kXsaveStateBv), 7U | 1U << 9);
  EXPECT_EQ(Image(kXsaveCompactionBv), 0x77U);
  EXPECT_EQ(Image(kFxXmm + 16), 0x11U);
  EXPECT_EQ(Image(ymm_->standard_offset + 3 * 16), 0x33U);
}

TEST_F(XsaveInstructionTest, XsaveAndXrstorRoundTrip) {
  const XsaveArea before = vcpu_->xsave;
  Run(kXsave64);
  WipeState();
  Run(kXrstor64);
  ExpectCompleted(4);
  EXPECT_EQ(vcpu_->xsave, before);
}

TEST_F(XsaveInstructionTest, CompactedFormsRoundTrip) {
  const XsaveArea before = vcpu_->xsave;
  Run(kXsavec64);
  EXPECT_EQ(Image(kXsaveCompactionBv), kCompacted | 7);
  EXPECT_EQ(Image(kXsaveStateBv), 7U);
  EXPECT_EQ(Image(kXsaveExtended + 3 * 16), 0x33U);
  WipeState();
  Run(kXrstor64);
  EXPECT_EQ(vcpu_->xsave, before);
  Run(kXsaves64);
  WipeState();
  Run(kXrstors64);
  EXPECT_EQ(vcpu_->xsave, before);
}

TEST_F(XsaveInstructionTest, OnlyRequestedComponentsAreSaved) {
  Gpr(Reg::kRax) = 4;
  SetImage(kFxXmm + 16, 0x99);
  Run(kXsave64);
  EXPECT_EQ(Image(kFxXmm + 16), 0x99U);
  EXPECT_EQ(Image(ymm_->standard_offset + 3 * 16), 0x33U);
  EXPECT_EQ(Image(kXsaveStateBv), 4U);
  EXPECT_EQ(static_cast<std::uint32_t>(Image(kFxMxcsr)), kMxcsrReset);  // goes with AVX too
}

TEST_F(XsaveInstructionTest, ComponentsSwitchedOffInXcr0AreNotSaved) {
  vcpu_->xcr0 = 3;
  Run(kXsave64);
  EXPECT_EQ(Image(kXsaveStateBv), 3U);
  EXPECT_EQ(Image(ymm_->standard_offset + 3 * 16), 0U);
}

TEST_F(XsaveInstructionTest, InitialComponentsAreSkippedByTheOptimisedForms) {
  SetInUse(3);
  SetImage(ymm_->standard_offset + 3 * 16, 0x99);
  Run(kXsaveopt64);
  EXPECT_EQ(Image(ymm_->standard_offset + 3 * 16), 0x99U);
  EXPECT_EQ(Image(kXsaveStateBv), 3U);
  Run(kXsave64);
  EXPECT_EQ(Image(ymm_->standard_offset + 3 * 16), 0U);
}

TEST_F(XsaveInstructionTest, XrstorPutsAbsentComponentsInTheirInitialState) {
  SetImage(kXsaveStateBv, 0);
  SetImage(kFxMxcsr, 0x1fc0);  // taken all the same
  Run(kXrstor64);
  EXPECT_EQ(GetXmm(1), (Xmm{0, 0}));
  EXPECT_EQ(InUse() & 5U, 0U);
  EXPECT_EQ(LoadField<std::uint32_t>(vcpu_->xsave, kFxMxcsr), 0x1fc0U);
}

TEST_F(XsaveInstructionTest, XrstorLeavesComponentsThatAreNotRequested) {
  Gpr(Reg::kRax) = 1;
  SetImage(kXsaveStateBv, 7);
  Run(kXrstor64);
  EXPECT_EQ(GetXmm(1), (Xmm{0x11, 0x22}));
  EXPECT_EQ(YmmHigh(3), (Xmm{0x33, 0x44}));
}

TEST_F(XsaveInstructionTest, XrstorRefusesBadHeaders) {
  struct Case {
    std::size_t offset;
    std::uint64_t value;
  };
  const XsaveArea before = vcpu_->xsave;
  for (const Case& bad :
       {Case{kXsaveStateBv, std::uint64_t{1} << 62}, Case{kXsaveStateBv, kCompacted},
        Case{kXsaveCompactionBv, 1}, Case{kXsaveCompactionBv, kCompacted | 1U << 20U},
        Case{kXsaveStateBv + 16, 1}, Case{kFxMxcsr, 0x80000000}}) {
    SetImage(kXsaveStateBv, 0);
    SetImage(bad.offset, bad.value);
    Run(kXrstor64);
    ExpectFault(13, 0);
    SetImage(bad.offset, 0);
  }
  SetImage(kXsaveCompactionBv, kCompacted | 1);
  SetImage(kXsaveStateBv, 2);  // present, but not laid out
  Run(kXrstor64);
  ExpectFault(13, 0);
  EXPECT_EQ(vcpu_->xsave, before);
}

TEST_F(XsaveInstructionTest, XrstorsWantsTheCompactedFormat) {
  SetImage(kXsaveCompactionBv, 0);
  Run(kXrstors64);
  ExpectFault(13, 0);
}

TEST_F(XsaveInstructionTest, AddressMustBeAligned) {
  Gpr(Reg::kRdi) = kData + 0x20;
  for (const Bytes& code : {kXsave64, kXsavec64, kXrstor64}) {
    Run(code);
    ExpectFault(13, 0);
  }
}

TEST_F(XsaveInstructionTest, AreaMayCrossPagesAndFaultInTheSecond) {
  const std::size_t size = kXsaveExtended + kYmmSize;
  Gpr(Reg::kRdi) = kData + kPageSize - 0x40;
  Run(kXsavec64);
  ExpectCompleted(4);
  EXPECT_EQ(Load<std::uint64_t>(kData + kPageSize - 0x40 + kFxXmm + 16), 0x11U);
  Gpr(Reg::kRdi) = (kDataEnd - size + 0x40) & ~std::uint64_t{63};
  Run(kXsavec64);
  ExpectPageFault(2, kDataEnd);
  Run(kXrstor64);
  // An empty header asks for nothing beyond it.
  ExpectCompleted(4);
}

TEST_F(XsaveInstructionTest, SupervisorFormsArePrivileged) {
  EnterUserMode();
  Run(kXsaves64);
  ExpectFault(13, 0);
}

TEST_F(XsaveInstructionTest, NothingOfThisExistsWithoutOsxsave) {
  vcpu_->system.cr4 &= ~kCr4Osxsave;
  for (const Bytes& code :
       {kXsave64, kXrstor64, Bytes{0x0f, 0x01, 0xd0}, Bytes{0x0f, 0x01, 0xd1}}) {
    Run(code);
    ExpectFault(6, std::nullopt);
  }
}

TEST_F(XsaveInstructionTest, XgetbvReadsXcr0AndWhatIsInUse) {
  Gpr(Reg::kRcx) = 0;
  Run({0x0f, 0x01, 0xd0});
  EXPECT_EQ(Gpr(Reg::kRax), 7U);
  EXPECT_EQ(Gpr(Reg::kRdx), 0U);
  SetInUse(3);
  Gpr(Reg::kRcx) = 1;
  Run({0x0f, 0x01, 0xd0});
  EXPECT_EQ(Gpr(Reg::kRax), 3U);
  Gpr(Reg::kRcx) = 2;
  Run({0x0f, 0x01, 0xd0});
  ExpectFault(13, 0);
}

TEST_F(XsaveInstructionTest, XsetbvChecksItsValueAndPrivilege) {
  Gpr(Reg::kRcx) = 0;
  Gpr(Reg::kRdx) = 0;
  Gpr(Reg::kRax) = 3;
  Run({0x0f, 0x01, 0xd1});
  ExpectCompleted(3);
  EXPECT_EQ(vcpu_->xcr0, 3U);
  Gpr(Reg::kRax) = 5;
  Run({0x0f, 0x01, 0xd1});
  ExpectFault(13, 0);
  Gpr(Reg::kRax) = 7;
  EnterUserMode();
  Run({0x0f, 0x01, 0xd1});
  ExpectFault(13, 0);
  EXPECT_EQ(vcpu_->xcr0, 3U);
}

TEST_F(XsaveInstructionTest, HostRefusingTheStateIsReported) {
  Run(kXsave64);
  vcpu_->accepts_xsave = false;
  vcpu_->registers.rip = kCode;
  EXPECT_EQ(Execute(kXrstor64), Outcome::kNotMine);
  EXPECT_EQ(vcpu_->registers.rip, kCode);
}

}  // namespace
}  // namespace veneer
