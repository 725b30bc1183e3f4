#include "src/vmm/cli/terminal.h"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace veneer {
namespace {

class EscapeParserTest : public ::testing::Test {
 protected:
  std::string Type(std::string_view keys) {
    const auto output = parser_.Filter(std::as_bytes(std::span(keys)));
    std::string text;
    for (const std::byte byte : output) {
      text.push_back(static_cast<char>(byte));
    }
    return text;
  }

  int quits_ = 0;
  int presses_ = 0;
  int helps_ = 0;
  EscapeParser parser_{{.quit = [this] { ++quits_; },
                        .power_button = [this] { ++presses_; },
                        .help = [this] { ++helps_; }}};
};

TEST_F(EscapeParserTest, PassesOrdinaryKeysThrough) {
  EXPECT_EQ(Type("ls -l\r\x03\x1b[A"), "ls -l\r\x03\x1b[A");
}

TEST_F(EscapeParserTest, QuitsOnCtrlAX) {
  EXPECT_EQ(Type("a\x01xb"), "ab");
  EXPECT_EQ(quits_, 1);
}

TEST_F(EscapeParserTest, KnowsSequencesThatArriveInPieces) {
  EXPECT_EQ(Type("\x01"), "");
  EXPECT_EQ(Type("x"), "");
  EXPECT_EQ(quits_, 1);
}

TEST_F(EscapeParserTest, PressesThePowerButtonAndHelps) {
  EXPECT_EQ(Type("\x01p\x01h\x01?"), "");
  EXPECT_EQ(presses_, 1);
  EXPECT_EQ(helps_, 2);
  EXPECT_EQ(quits_, 0);
}

TEST_F(EscapeParserTest, SendsCtrlAWhenTypedTwice) {
  EXPECT_EQ(Type("\x01\x01\x01"
                 "a"),
            "\x01\x01");
}

TEST_F(EscapeParserTest, SwallowsUnknownEscapes) {
  EXPECT_EQ(Type("\x01zq"), "q");
  EXPECT_EQ(quits_ + presses_ + helps_, 0);
}

}  // namespace
}  // namespace veneer
