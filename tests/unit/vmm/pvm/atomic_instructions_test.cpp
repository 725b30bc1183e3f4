#include <cstdint>
#include <thread>

#include "assist_fixture.h"

namespace veneer {
namespace {

class AtomicInstructionTest : public AssistFixture {
 protected:
  const Bytes kCmpxchg16b{0xf0, 0x48, 0x0f, 0xc7, 0x0f};  // lock cmpxchg16b [rdi]
  const Bytes kCmpxchg8b{0xf0, 0x0f, 0xc7, 0x0f};         // lock cmpxchg8b [rdi]

  void SetUp() override {
    AssistFixture::SetUp();
    Gpr(Reg::kRdi) = kData + 0x100;
    Gpr(Reg::kRbx) = 0x1111;
    Gpr(Reg::kRcx) = 0x2222;
  }
};

TEST_F(AtomicInstructionTest, Cmpxchg16bExchangesEqualMemory) {
  Store<std::array<std::uint64_t, 2>>(kData + 0x100, {7, 8});
  Gpr(Reg::kRax) = 7;
  Gpr(Reg::kRdx) = 8;
  ASSERT_EQ(Execute(kCmpxchg16b), Outcome::kHandled);
  EXPECT_EQ((Load<std::array<std::uint64_t, 2>>(kData + 0x100)),
            (std::array<std::uint64_t, 2>{0x1111, 0x2222}));
  EXPECT_TRUE(Flag(kRflagsZero));
  ExpectCompleted(5);
}

TEST_F(AtomicInstructionTest, Cmpxchg16bReadsDifferentMemory) {
  Store<std::array<std::uint64_t, 2>>(kData + 0x100, {7, 9});
  Gpr(Reg::kRax) = 7;
  Gpr(Reg::kRdx) = 8;
  vcpu_->registers.rflags |= kRflagsZero | kRflagsCarry;
  ASSERT_EQ(Execute(kCmpxchg16b), Outcome::kHandled);
  EXPECT_EQ((Load<std::array<std::uint64_t, 2>>(kData + 0x100)),
            (std::array<std::uint64_t, 2>{7, 9}));
  EXPECT_EQ(Gpr(Reg::kRax), 7U);
  EXPECT_EQ(Gpr(Reg::kRdx), 9U);
  EXPECT_FALSE(Flag(kRflagsZero));
  EXPECT_TRUE(Flag(kRflagsCarry));
}

TEST_F(AtomicInstructionTest, Cmpxchg16bWantsAlignment) {
  Gpr(Reg::kRdi) = kData + 8;
  ASSERT_EQ(Execute(kCmpxchg16b), Outcome::kHandled);
  ExpectFault(13, 0);
}

TEST_F(AtomicInstructionTest, ReadOnlyMemoryFaultsEvenIfNotEqual) {
  tables_->Map(kData, kDataGpa[0], PageTableBuilder::kPresent);
  Gpr(Reg::kRax) = 1;
  ASSERT_EQ(Execute(kCmpxchg16b), Outcome::kHandled);
  ExpectPageFault(3, kData + 0x100);
}

TEST_F(AtomicInstructionTest, Cmpxchg8bUsesTheLowHalves) {
  Store<std::uint64_t>(kData + 0x100, 0x0000000800000007);
  Gpr(Reg::kRax) = 0xffffffff00000007;
  Gpr(Reg::kRdx) = 0xffffffff00000008;
  ASSERT_EQ(Execute(kCmpxchg8b), Outcome::kHandled);
  EXPECT_EQ(Load<std::uint64_t>(kData + 0x100), 0x0000222200001111U);
  EXPECT_TRUE(Flag(kRflagsZero));
  EXPECT_EQ(Gpr(Reg::kRax), 0xffffffff00000007U);
}

TEST_F(AtomicInstructionTest, Cmpxchg8bMayCrossAPage) {
  Gpr(Reg::kRdi) = kData + kPageSize - 3;
  Store<std::uint64_t>(kData + kPageSize - 3, 0x1122334455667788);
  ASSERT_EQ(Execute(kCmpxchg8b), Outcome::kHandled);
  EXPECT_EQ(Gpr(Reg::kRax), 0x55667788U);
  EXPECT_EQ(Gpr(Reg::kRdx), 0x11223344U);
  vcpu_->registers.rip = kCode;
  ASSERT_EQ(Execute(kCmpxchg8b), Outcome::kHandled);
  EXPECT_EQ(Load<std::uint64_t>(kData + kPageSize - 3), 0x0000222200001111U);
}

TEST_F(AtomicInstructionTest, Cmpxchg16bIsAtomicTowardsOtherThreads) {
  constexpr std::uint64_t kRounds = 2000;
  const auto count = [this](std::uint64_t rounds) {
    ScriptedVcpu vcpu(*memory_);
    vcpu.system = vcpu_->system;
    vcpu.registers = vcpu_->registers;
    InstructionAssist assist(*memory_, metrics_);
    EmulationFailureExit exit{};
    std::copy(kCmpxchg16b.begin(), kCmpxchg16b.end(), exit.bytes.begin());
    exit.length = static_cast<std::uint8_t>(kCmpxchg16b.size());
    Registers& registers = vcpu.registers;
    for (std::uint64_t done = 0; done < rounds;) {
      registers.rip = kCode;
      registers[Reg::kRbx] = registers[Reg::kRax] + 1;
      registers[Reg::kRcx] = registers[Reg::kRdx] - 1;
      if (assist.OnExit(vcpu, exit) != Outcome::kHandled) {
        return;
      }
      if ((registers.rflags & kRflagsZero) != 0) {
        ++done;
      }
    }
  };
  std::thread other(count, kRounds);
  count(kRounds);
  other.join();
  EXPECT_EQ((Load<std::array<std::uint64_t, 2>>(kData + 0x100)),
            (std::array<std::uint64_t, 2>{2 * kRounds, 0 - 2 * kRounds}));
}

}  // namespace
}  // namespace veneer
