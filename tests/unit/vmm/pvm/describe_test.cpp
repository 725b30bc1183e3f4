#include <string>

#include <gmock/gmock.h>

#include "assist_fixture.h"
#include "veneer/vmm/pvm/pvm_assists.h"

namespace veneer {
namespace {

using ::testing::HasSubstr;

using DescribeFailureTest = AssistFixture;

TEST_F(DescribeFailureTest, SaysWhereWhatAndInWhichState) {
  Gpr(Reg::kRax) = 0x1122334455667788;
  vcpu_->system.cr2 = 0xabcdef;
  EmulationFailureExit exit{};
  exit.bytes = {0x0f, 0x01, 0xc1, 0x90};
  exit.length = 4;
  const std::string text = DescribeFailure(*vcpu_, *memory_, exit);
  EXPECT_THAT(text, HasSubstr("0xffffffff81000000"));
  EXPECT_THAT(text, HasSubstr("0f 01 c1 90"));
  EXPECT_THAT(text, HasSubstr("vmcall"));
  EXPECT_THAT(text, HasSubstr("RAX   1122334455667788"));
  EXPECT_THAT(text, HasSubstr("CR2 0000000000abcdef"));
  EXPECT_THAT(text, HasSubstr("EFER d01"));
}

TEST_F(DescribeFailureTest, FetchesBytesThatKvmDidNotSay) {
  ASSERT_TRUE(memory_->Write<std::uint16_t>(kCodeGpa, 0x050f));
  EXPECT_THAT(DescribeFailure(*vcpu_, *memory_, EmulationFailureExit{}), HasSubstr("syscall"));
  vcpu_->registers.rip = 0x1000;
  EXPECT_THAT(DescribeFailure(*vcpu_, *memory_, EmulationFailureExit{}),
              HasSubstr("no memory at that address"));
}

TEST_F(DescribeFailureTest, NamesInvalidInstructions) {
  EmulationFailureExit exit{};
  exit.bytes = {0x06};
  exit.length = 1;
  EXPECT_THAT(DescribeFailure(*vcpu_, *memory_, exit), HasSubstr("not a valid instruction"));
}

}  // namespace
}  // namespace veneer
