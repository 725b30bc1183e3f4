#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "veneer/host/seed/seed.h"

namespace veneer {
namespace {

using ::testing::HasSubstr;

std::string Refusal(std::string_view text) {
  const auto parsed = ParseSeed(text);
  return parsed ? "(accepted)" : parsed.error().message;
}

TEST(ParseSeed, TakesFilesAndAHostName) {
  const SeedConfig config =
      ParseSeed("user-data=u,,1.yaml,network=n.yaml,hostname=web-1.x").value();
  EXPECT_EQ(config.user_data, "u,1.yaml");
  EXPECT_EQ(config.network, "n.yaml");
  EXPECT_EQ(config.hostname, "web-1.x");
  EXPECT_EQ(config.meta_data, "");
  EXPECT_EQ(ParseSeed("meta-data=m").value().meta_data, "m");
  EXPECT_TRUE(config.wanted());
  EXPECT_FALSE(SeedConfig().wanted());
}

TEST(ParseSeed, NamesWhatIsWrong) {
  EXPECT_THAT(Refusal("userdata=u"), HasSubstr("userdata"));
  EXPECT_THAT(Refusal("user-data=u,user-data=v"), HasSubstr("twice"));
  EXPECT_THAT(Refusal("user-data="), HasSubstr("user-data"));
  EXPECT_THAT(Refusal("meta-data=m,hostname=web"), HasSubstr("local-hostname: web"));
  for (const char* name : {"a_b", "-a", "", "a b", "a\"b"}) {
    EXPECT_THAT(Refusal(std::string("hostname=") + name), HasSubstr("hostname")) << name;
  }
  EXPECT_THAT(Refusal("hostname=" + std::string(65, 'a')), HasSubstr("64"));
}

}  // namespace
}  // namespace veneer
