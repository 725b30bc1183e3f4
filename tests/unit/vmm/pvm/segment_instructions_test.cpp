#include <cstdint>

#include "assist_fixture.h"

namespace veneer {
namespace {

constexpr std::uint16_t kCodeSelector = 0x10;
constexpr std::uint16_t kTaskSelector = 0x20;
constexpr std::uint16_t kProcessorSelector = 0x7b;  // where Linux puts a processor's number
constexpr std::uint64_t kKernelCode = 0x00af9b000000ffff;
constexpr std::uint64_t kTask = 0x00008b0000000067;
constexpr std::uint64_t kProcessorThree = 0x0040f50000000003;

class SegmentInstructionTest : public AssistFixture {
 protected:
  static constexpr std::uint16_t kGdtLimit = 0x7f;

  void SetUp() override {
    AssistFixture::SetUp();
    vcpu_->system.gdt = {kData, kGdtLimit};
    Describe(kCodeSelector, kKernelCode);
    Describe(kTaskSelector, kTask);
    Describe(kProcessorSelector, kProcessorThree);
  }
  void Describe(std::uint16_t selector, std::uint64_t descriptor) {
    ASSERT_TRUE(memory_->Write(Gpa{kDataGpa[0].value + (selector & ~7U)}, descriptor));
  }
  // Executes `code` with RCX = `selector` and RAX = all ones, and says what ZF became.
  bool Accessible(const Bytes& code, std::uint16_t selector) {
    vcpu_->registers.rip = kCode;
    Gpr(Reg::kRax) = ~std::uint64_t{0};
    Gpr(Reg::kRcx) = selector;
    EXPECT_EQ(Execute(code), Outcome::kHandled);
    ExpectCompleted(code.size());
    return (vcpu_->registers.rflags & kRflagsZero) != 0;
  }

  const Bytes lar_{0x0f, 0x02, 0xc1};   // lar eax, ecx
  const Bytes lsl_{0x0f, 0x03, 0xc1};   // lsl eax, ecx
  const Bytes verr_{0x0f, 0x00, 0xe1};  // verr cx
  const Bytes verw_{0x0f, 0x00, 0xe9};  // verw cx
};

TEST_F(SegmentInstructionTest, LslGivesTheLimitInBytes) {
  EXPECT_TRUE(Accessible(lsl_, kProcessorSelector));
  EXPECT_EQ(Gpr(Reg::kRax), 3U);
  EXPECT_TRUE(Accessible(lsl_, kCodeSelector));
  EXPECT_EQ(Gpr(Reg::kRax), 0xffffffffU);
  EXPECT_TRUE(Accessible(lsl_, kTaskSelector));
  EXPECT_EQ(Gpr(Reg::kRax), 0x67U);
}

TEST_F(SegmentInstructionTest, LarGivesTheAccessRights) {
  EXPECT_TRUE(Accessible(lar_, kCodeSelector));
  EXPECT_EQ(Gpr(Reg::kRax), 0x00a09b00U);
}

TEST_F(SegmentInstructionTest, ASelectorThatNamesNothingClearsZeroAndLeavesTheRegister) {
  vcpu_->registers.rflags |= kRflagsZero;
  for (const unsigned selector : {0x0, 0x3, 0x80, 0xfff8, 0x14}) {  // 0x14: there is no LDT
    EXPECT_FALSE(Accessible(lsl_, static_cast<std::uint16_t>(selector))) << selector;
    EXPECT_EQ(Gpr(Reg::kRax), ~std::uint64_t{0});
  }
}

TEST_F(SegmentInstructionTest, PrivilegeCounts) {
  EXPECT_TRUE(Accessible(lsl_, kCodeSelector));
  EXPECT_FALSE(Accessible(lsl_, kCodeSelector | 3));
  EXPECT_FALSE(Accessible(verr_, kCodeSelector | 3));
  EXPECT_TRUE(Accessible(verr_, kProcessorSelector));
}

TEST_F(SegmentInstructionTest, VerwWantsWritableData) {
  EXPECT_FALSE(Accessible(verw_, kCodeSelector));
  EXPECT_FALSE(Accessible(verw_, kProcessorSelector));
  EXPECT_FALSE(Accessible(verw_, kTaskSelector));
  Describe(0x18, 0x00cf93000000ffff);
  EXPECT_TRUE(Accessible(verw_, 0x18));
}

TEST_F(SegmentInstructionTest, UserModeReadsTheTableWithTheProcessorsRights) {
  EnterUserMode();
  EXPECT_TRUE(Accessible(lsl_, kProcessorSelector));
  EXPECT_EQ(Gpr(Reg::kRax), 3U);
  EXPECT_FALSE(Accessible(lsl_, kCodeSelector));
}

TEST_F(SegmentInstructionTest, AGdtThatIsNotMappedFaults) {
  vcpu_->system.gdt.base = kDataEnd;
  Gpr(Reg::kRcx) = kCodeSelector;
  ASSERT_EQ(Execute(lsl_), Outcome::kHandled);
  ExpectFault(14, 0);
}

}  // namespace
}  // namespace veneer
