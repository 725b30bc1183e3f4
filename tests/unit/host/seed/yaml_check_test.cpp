#include "src/host/seed/yaml_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace veneer {
namespace {

using ::testing::HasSubstr;

std::string Refusal(std::string_view text) {
  const auto checked = CheckYamlMapping(text);
  return checked ? "(accepted)" : checked.error().message;
}

TEST(YamlCheck, AMappingOrNothing) {
  for (const char* text : {"", "# only this\n", "a: 1\nb: [1, 2]\n", "{\"a\": {\"b\": null}}",
                           "--- \na: |\n  text\n  more: text\n"}) {
    EXPECT_EQ(Refusal(text), "(accepted)") << text;
  }
}

TEST(YamlCheck, WhatIsNone) {
  EXPECT_THAT(Refusal("- a\n- b\n"), HasSubstr("key: value"));
  EXPECT_THAT(Refusal("hello"), HasSubstr("key: value"));
  EXPECT_THAT(Refusal("a: 1\nb:\n\t- tab\n"), HasSubstr("line 3"));
  EXPECT_THAT(Refusal("a: 1\nb: [1\n"), HasSubstr("line 3"));
  EXPECT_THAT(Refusal(std::string_view("a: \xff\xfe", 5)), HasSubstr("line 1"));
}

TEST(YamlCheck, DepthHasALimitAndTakesNoTime) {
  EXPECT_EQ(Refusal("a: " + std::string(90, '[') + std::string(90, ']')), "(accepted)");
  EXPECT_THAT(Refusal("a: " + std::string(200'000, '[')), HasSubstr("levels"));
  EXPECT_THAT(Refusal("- b\n"), HasSubstr("key: value"));
}

}  // namespace
}  // namespace veneer
