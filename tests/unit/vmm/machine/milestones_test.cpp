#include "src/vmm/machine/milestones.h"

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace veneer {
namespace {

class StepClock final : public Clock {
 public:
  std::uint64_t MonotonicNs() const override { return now_ns; }
  std::uint64_t RealtimeNs() const override { return 0; }
  std::uint64_t now_ns = 0;
};

class MilestonesTest : public ::testing::Test {
 protected:
  void Print(std::string_view text) { milestones_.OnOutput(std::as_bytes(std::span(text))); }

  StepClock clock_;
  std::uint64_t instructions_ = 0;
  BootMilestones milestones_{clock_, [this] { return instructions_; }};
};

TEST_F(MilestonesTest, MarksTimeAndInstructionsOfAKernelsFirstWords) {
  clock_.now_ns = 1000;
  milestones_.Start();
  clock_.now_ns = 1500;
  instructions_ = 77;
  Print("[    0.000000] Linux version 6.1\r\n");
  const auto reached = milestones_.Reached();
  ASSERT_EQ(reached.size(), 1U);
  EXPECT_EQ(reached[0].name, "console");
  EXPECT_EQ(reached[0].at_ns, 500U);
  EXPECT_EQ(reached[0].kernel_instructions, 77U);
}

TEST_F(MilestonesTest, FindsLinesThatArriveInPieces) {
  Print("Run /in");
  Print("it as init");
  EXPECT_TRUE(milestones_.Reached().empty());
  Print(" process\n");
  ASSERT_EQ(milestones_.Reached().size(), 1U);
  EXPECT_EQ(milestones_.Reached()[0].name, "init");
}

TEST_F(MilestonesTest, TellsOfEachPointAsItIsReached) {
  std::vector<std::string> told;
  BootMilestones milestones{clock_, [] { return std::uint64_t{0}; },
                            [&](const Milestone& milestone) {
                              told.push_back(milestone.name);
                              // No lock is held.
                              EXPECT_FALSE(milestones.Reached().empty());
                            }};
  const std::string_view text = "Linux version 6.1\nLinux version 6.1\nsmp: Brought up 1 node\n";
  milestones.OnOutput(std::as_bytes(std::span(text)));
  EXPECT_EQ(told, (std::vector<std::string>{"console", "smp"}));
}

TEST_F(MilestonesTest, CountsEachPointOnce) {
  Print("Linux version 6.1\nLinux version 6.1\n");
  EXPECT_EQ(milestones_.Reached().size(), 1U);
}

TEST_F(MilestonesTest, DoesNotCollectEndlessLines) {
  const std::string endless(100'000, 'x');
  Print(endless);
  Print("Linux version\n");  // past the part that is looked at
  EXPECT_TRUE(milestones_.Reached().empty());
  Print("Linux version \n");
  EXPECT_EQ(milestones_.Reached().size(), 1U);
}

}  // namespace
}  // namespace veneer
