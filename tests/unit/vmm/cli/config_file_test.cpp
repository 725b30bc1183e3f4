#include "src/vmm/cli/config_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/vmm/cli/nearest_word.h"

namespace veneer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ConfigFileTest : public ::testing::Test {
 protected:
  Result<std::vector<ConfigEntry>> Parse(std::string_view text) {
    return ParseConfig(text, "guest.toml", options_);
  }
  // What the file says about the only option in it.
  std::vector<std::string> Only(std::string_view text) {
    auto entries = Parse(text);
    if (!entries) {
      return {"(" + entries.error().message + ")"};
    }
    return entries->size() == 1 ? entries->front().values : std::vector<std::string>{"(many)"};
  }
  std::string Refusal(std::string_view text) {
    const auto entries = Parse(text);
    return entries ? "(accepted)" : entries.error().message;
  }

  const std::vector<ConfigOption> options_{{"memory", "guest"},       {"cmdline", "guest"},
                                           {"cpus", "guest"},         {"disk", "disks", true},
                                           {"net", "networks", true}, {"xen", "xen"}};
};

TEST_F(ConfigFileTest, WhatIsQuotedIsTakenWhole) {
  EXPECT_THAT(Only("cmdline=\"a # b\"\n"), ElementsAre("a # b"));
  EXPECT_THAT(Only("cmdline='a \"#\" \\b' # a comment\r\n"), ElementsAre("a \"#\" \\b"));
  EXPECT_THAT(Only("disk=\"path=/tmp/a#b.img\""), ElementsAre("path=/tmp/a#b.img"));
  EXPECT_THAT(Only("cmdline=\"a\\\\b\\tc\\u00e9 [x,y]\""), ElementsAre("a\\b\tc\xc3\xa9 [x,y]"));
  EXPECT_THAT(Only("cmdline=\"[a]\""), ElementsAre("[a]"));
  EXPECT_THAT(Only("cmdline=\"\""), ElementsAre(""));
  EXPECT_THAT(Only("disk = '[a]'"), ElementsAre("[a]"));
}

TEST_F(ConfigFileTest, NumbersAndSwitchesNeedNoQuotes) {
  EXPECT_THAT(Only("cpus = 4"), ElementsAre("4"));
  EXPECT_THAT(Only("xen = false"), ElementsAre("off"));
  EXPECT_THAT(Only("xen = true"), ElementsAre("on"));
}

TEST_F(ConfigFileTest, AByteOrderMarkIsNoPartOfAName) {
  EXPECT_THAT(Only("\xef\xbb\xbfmemory = \"1G\"\n"), ElementsAre("1G"));
}

TEST_F(ConfigFileTest, RepeatableOptionsTakeArraysAndTables) {
  EXPECT_THAT(Only("disk = [\"path=a\", # the first\n \"path=b\",\n]"),
              ElementsAre("path=a", "path=b"));
  EXPECT_THAT(Only("disk = []"), IsEmpty());
  EXPECT_THAT(Only("[[disk]]\npath = \"a,b.img\"\nreadonly = true\nqueues = 2\n"
                   "[[disk]]\npath = \"c\""),
              ElementsAre("path=a,,b.img,readonly=on,queues=2", "path=c"));
  EXPECT_THAT(Only("[disk]\npath = \"a\""), ElementsAre("path=a"));
  EXPECT_THAT(Only("net = {link = \"user\", hostfwd = [\"tcp::80-:80\", \"tcp::81-:81\"]}"),
              ElementsAre("user,hostfwd=tcp::80-:80,hostfwd=tcp::81-:81"));
  EXPECT_THAT(Only("net = {mtu = 1500, link = \"socket=/tmp/a,b\"}"),
              ElementsAre("socket=/tmp/a,,b,mtu=1500"));
}

TEST_F(ConfigFileTest, SectionsAreTheGroupsOfHelp) {
  const auto entries = Parse("xen = 'off'\n[guest]\nmemory = '1G'\ncpus = 2\n[disks]\ndisk = 'd'");
  ASSERT_TRUE(entries) << entries.error().message;
  ASSERT_EQ(entries->size(), 4U);
  EXPECT_EQ((*entries)[1].option, "memory");
  EXPECT_EQ((*entries)[1].place, "guest.toml, line 3");
  EXPECT_THAT(Only("[xen]\nxen = 'off'"), ElementsAre("off"));
}

TEST_F(ConfigFileTest, WrongOnesAreNamedWithFileLineAndWhatIsNear) {
  EXPECT_EQ(Refusal("cpus = 1\nmemroy = \"1G\""),
            "guest.toml, line 2: there is no option 'memroy'; did you mean 'memory'?");
  EXPECT_EQ(Refusal("weather = 1"), "guest.toml, line 1: there is no option 'weather'");
  EXPECT_EQ(Refusal("[gest]\ncpus = 1"),
            "guest.toml, line 1: there is no section 'gest'; did you mean 'guest'?");
  EXPECT_EQ(Refusal("\n[guest]\ndisk = 'd'"),
            "guest.toml, line 3: 'disk' belongs in section [disks], not in [guest]");
  EXPECT_EQ(
      Refusal("[guest]\ncpu = 1"),
      "guest.toml, line 2: there is no option of section [guest] 'cpu'; did you mean 'cpus'?");
  EXPECT_THAT(Refusal("cpus = 1\n[guest]\ncpus = 2"), HasSubstr("line 3: 'cpus' is there twice"));
  EXPECT_THAT(Refusal("memory = ['1G', '2G']"), HasSubstr("line 1: 'memory' takes one text"));
  EXPECT_THAT(Refusal("memory = 1.5"), HasSubstr("line 1: 'memory' takes one text"));
  EXPECT_THAT(Refusal("memory = {}"), HasSubstr("line 1: 'memory' takes one text"));
  EXPECT_THAT(Refusal("disk = [['d']]"), HasSubstr("line 1: 'disk' takes one text"));
  EXPECT_THAT(Refusal("disk = {}"), HasSubstr("line 1: this 'disk' says nothing"));
  EXPECT_THAT(Refusal("memory = \"a\\u0000b\""), HasSubstr("NUL"));
}

TEST_F(ConfigFileTest, WhatIsNoTomlIsSaidWithItsLine) {
  EXPECT_THAT(Refusal("cpus = 1\nmemory = 1G\n"), HasSubstr("guest.toml, line 2: "));
  EXPECT_THAT(Refusal("cmdline = \"a"), HasSubstr("guest.toml, line 1: "));
  EXPECT_THAT(Refusal("disk='a'\ndisk='b'"), HasSubstr("guest.toml, line 2: "));
  EXPECT_THAT(Refusal(std::string(100'000, '[')), HasSubstr("guest.toml, line 1: "));
  EXPECT_THAT(Refusal("cpus"), HasSubstr("guest.toml, line 1: "));
}

TEST_F(ConfigFileTest, FilesThatAreNoneAreRefused) {
  for (const char* path : {"/no/such/file", "/", "/dev/zero"}) {
    const auto entries = ReadConfigFile(path, options_);
    ASSERT_FALSE(entries) << path;
    EXPECT_THAT(entries.error().message, HasSubstr(std::string("--config: ")));
    EXPECT_THAT(entries.error().message, HasSubstr(path));
  }
}

TEST(NearestWord, IsFewChangesAway) {
  const std::vector<std::string> words{"memory", "memory-max", "cpus", "on", "disk"};
  EXPECT_EQ(NearestWord("memroy", words), "memory");
  EXPECT_EQ(NearestWord("memory-mx", words), "memory-max");
  EXPECT_EQ(NearestWord("cpu", words), "cpus");
  EXPECT_EQ(NearestWord("disks", words), "disk");
  EXPECT_EQ(NearestWord("weather", words), "");
  EXPECT_EQ(NearestWord("", words), "");
  EXPECT_EQ(NearestWord(std::string(1'000'000, 'x'), words), "");
}

}  // namespace
}  // namespace veneer
