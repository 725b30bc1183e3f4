// Lists of KEY=VALUE: commas in values, keys that are unknown or repeated, numbers.
#include "veneer/vmm/base/option_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace veneer {
namespace {

using ::testing::ElementsAre;

TEST(OptionList, CommasInValuesAreDoubled) {
  EXPECT_THAT(SplitOptionList("a=1,b=x,,y,,,c=2"), ElementsAre("a=1", "b=x,y,", "c=2"));
  EXPECT_THAT(SplitOptionList(""), ElementsAre(""));
  EXPECT_THAT(SplitOptionList("a,"), ElementsAre("a", ""));
}

TEST(OptionList, ValuesAreChangedInTheirPlaces) {
  const auto changed = ChangeOptionValues(
      "user,b=x,,y,c=2=3", [](std::string_view key, std::string_view value) -> Result<std::string> {
        return key == "b" ? "/" + std::string(value) + ",z" : std::string(value);
      });
  EXPECT_EQ(changed.value(), "user,b=/x,,y,,z,c=2=3");
  const auto refused = ChangeOptionValues(
      "b=1",
      [](std::string_view, std::string_view) -> Result<std::string> { return UsageError("no"); });
  EXPECT_EQ(refused.error().message, "no");
}

TEST(OptionList, Rates) {
  EXPECT_EQ(ParseOptionRate("r", "7", 1000).value(), 7U);
  EXPECT_EQ(ParseOptionRate("r", "2K", 1000).value(), 2000U);
  EXPECT_EQ(ParseOptionRate("r", "2k", 1000).value(), 2000U);
  EXPECT_EQ(ParseOptionRate("r", "2M", 1024).value(), 2U << 20U);
  EXPECT_EQ(ParseOptionRate("r", "16777215T", 1024).value(), std::uint64_t{16777215} << 40U);
  for (const char* text : {"", "K", "0", "-1", "1KB", "7B", "16777216T", "18446744073709551616"}) {
    EXPECT_FALSE(ParseOptionRate("r", text, 1024).has_value()) << text;
  }
}

TEST(OptionList, BytesHaveTheUnitThatIsWritten) {
  constexpr std::uint64_t kMiB = 1U << 20U;
  EXPECT_EQ(ParseBytes("3", kMiB), 3 * kMiB);
  EXPECT_EQ(ParseBytes("256B", kMiB), 256U) << "and not MiB";
  EXPECT_EQ(ParseBytes("2k", kMiB), 2048U);
  EXPECT_EQ(ParseBytes("2KB", kMiB), 2048U);
  EXPECT_EQ(ParseBytes("2KiB", kMiB), 2048U);
  EXPECT_EQ(ParseBytes("0", kMiB), 0U);
  for (const char* text : {"", "B", "iB", "5iB", "5 B", "5BB", "5Ki", "5b", "M", "1.5G"}) {
    EXPECT_EQ(ParseBytes(text, kMiB), std::nullopt) << text;
  }
  EXPECT_EQ(ParseBytes("18446744073709551615B", kMiB), ~std::uint64_t{0});
  EXPECT_EQ(ParseBytes("18446744073709551615", kMiB), std::nullopt);
}

struct Target {
  Result<void> Add(std::string_view key, std::string_view value) {
    said += fmt::format("{}:{} ", key, value);
    return {};
  }
  Result<void> Fail(std::string_view key, std::string_view) { return UsageError("{}!", key); }
  std::string said;
};

class SetOptionsTest : public ::testing::Test {
 protected:
  std::string Refusal(const std::string& text) {
    const auto seen = SetOptions(SplitOptionList(text), kKeys, target_);
    return seen ? "(accepted)" : seen.error().message;
  }
  static constexpr OptionKey<Target> kKeys[] = {
      {"one", &Target::Add}, {"many", &Target::Add, true}, {"bad", &Target::Fail}};
  Target target_;
};

TEST_F(SetOptionsTest, InTheirOrder) {
  const auto seen = SetOptions(SplitOptionList("many=2,one=1=1,many="), kKeys, target_);
  ASSERT_TRUE(seen.has_value());
  EXPECT_EQ(target_.said, "many:2 one:1=1 many: ");
  EXPECT_THAT(*seen, ElementsAre("many", "one"));
}

TEST_F(SetOptionsTest, WhatIsWrongIsNamed) {
  EXPECT_EQ(Refusal("one=1,one=2"), "the key one is given twice");
  EXPECT_EQ(Refusal("two=1"), "there is no key 'two'; the keys are one, many, bad");
  EXPECT_EQ(Refusal("one"), "the key one has no value; write one=VALUE");
  EXPECT_EQ(Refusal("bad=1"), "bad!");
}

}  // namespace
}  // namespace veneer
