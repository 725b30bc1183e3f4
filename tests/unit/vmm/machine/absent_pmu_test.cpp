#include "src/vmm/machine/absent_pmu.h"

#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/scripted_vcpu.h"

namespace veneer {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using Outcome = ExitHandler::Outcome;

constexpr std::uint32_t kLastCounter = 0xc0010007;

class AbsentPmuTest : public ::testing::Test {
 protected:
  Outcome Access(std::uint32_t index, bool write) {
    return pmu_.OnExit(vcpu_, MsrExit{index, write, &value_, &fault_});
  }

  const std::unique_ptr<GuestMemory> memory_ = GuestMemory::CreateFlat(kPageSize).value();
  ScriptedVcpu vcpu_{*memory_};
  AbsentPmu pmu_;
  std::uint64_t value_ = 0xffff;
  std::uint8_t fault_ = 0xcc;
};

TEST_F(AbsentPmuTest, CountersTakeNoValueAndReadAsZero) {
  EXPECT_EQ(Access(kLastCounter, true), Outcome::kHandled);
  EXPECT_EQ(fault_, 0);
  EXPECT_EQ(Access(kLastCounter, false), Outcome::kHandled);
  EXPECT_EQ(value_, 0U);
  EXPECT_EQ(fault_, 0);
  EXPECT_EQ(Access(0xc0010000, false), Outcome::kHandled);
}

TEST_F(AbsentPmuTest, OtherMsrsAndExitsAreSomebodyElses) {
  EXPECT_EQ(Access(kLastCounter + 1, true), Outcome::kNotMine);
  EXPECT_EQ(Access(0xc000ffff, false), Outcome::kNotMine);
  EXPECT_EQ(fault_, 0xcc);
  EXPECT_EQ(pmu_.OnExit(vcpu_, HaltExit{}), Outcome::kNotMine);
}

TEST(AbsentPmuMsrs, AreTheCountersOfAKvmWithoutAny) {
  const CpuidTable without = {{.function = 0xa}, {.function = 0x80000001}};
  const auto ranges = AbsentPmuMsrs(without, false);
  ASSERT_THAT(ranges, SizeIs(1));
  EXPECT_LE(ranges[0].first, kLastCounter);
  EXPECT_GT(ranges[0].first + ranges[0].count, kLastCounter);
  EXPECT_TRUE(ranges[0].reads && ranges[0].writes);
}

TEST(AbsentPmuMsrs, AreNoneWhereGuestsHaveCounters) {
  EXPECT_THAT(AbsentPmuMsrs({{.function = 0xa}}, true), IsEmpty());
  EXPECT_THAT(AbsentPmuMsrs({{.function = 0xa, .eax = 2}}, false), IsEmpty());
  EXPECT_THAT(AbsentPmuMsrs({{.function = 0x80000001, .ecx = 1U << 23U}}, false), IsEmpty());
}

}  // namespace
}  // namespace veneer
