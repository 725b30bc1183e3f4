// Figures survive an interruption, and are not mixed with others.
#include "src/bench/results.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/scratch_directory.h"

namespace veneer::bench {
namespace {

using ::testing::HasSubstr;

class ResultsTest : public ::testing::Test {
 protected:
  const test::ScratchDirectory scratch_;
  const std::string folder_ = scratch_.path();
  const std::vector<Step> steps_ = LinuxSteps();
};

TEST_F(ResultsTest, GoOnWhereTheyWere) {
  {
    Results results = Results::Open(folder_, {{"quick", true}}, false).value();
    ASSERT_TRUE(results.Add(steps_[0], Way::kPv, 2));
    ASSERT_TRUE(results.Add(steps_[0], Way::kPv, 4));
    ASSERT_TRUE(results.SetCompanion("net", {{"tap", 1}}));
  }
  const Results results = Results::Open(folder_, {{"quick", true}}, false).value();
  EXPECT_EQ(results.Of(steps_[0], Way::kPv).Median(), 3);
  EXPECT_EQ(results.Of(steps_[0], Way::kLimit).count(), 0U);
  EXPECT_EQ(results.Of(steps_[1], Way::kPv).count(), 0U);
  EXPECT_EQ(results.Companion("net"), nlohmann::json({{"tap", 1}}));
  EXPECT_TRUE(results.Companion("block").is_null());
}

TEST_F(ResultsTest, OfOtherSettingsAreRefused) {
  ASSERT_TRUE(Results::Open(folder_, {{"quick", true}}, false)->Add(steps_[0], Way::kPv, 2));
  const auto other = Results::Open(folder_, {{"quick", false}}, false);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().kind, ErrorKind::kUsage);
  EXPECT_THAT(other.error().message, HasSubstr("--fresh"));
  const Results fresh = Results::Open(folder_, {{"quick", false}}, true).value();
  EXPECT_EQ(fresh.Of(steps_[0], Way::kPv).count(), 0U);
}

TEST_F(ResultsTest, AFileOfSomebodyElsesIsLeftAlone) {
  std::ofstream(folder_ + "/bench.json") << "[1, 2]";
  EXPECT_THAT(Results::Open(folder_, {}, false).error().message, HasSubstr("is no report"));
  std::ofstream(folder_ + "/bench.json") << "half a fil";
  EXPECT_THAT(Results::Open(folder_, {}, false).error().message, HasSubstr("is no JSON"));
}

TEST_F(ResultsTest, TitlesAreKeys) {
  for (const Step& one : steps_) {
    for (const Step& other : steps_) {
      if (&one != &other) {
        EXPECT_FALSE(one.panel == other.panel && one.title == other.title) << one.title;
      }
    }
  }
}

}  // namespace
}  // namespace veneer::bench
