#include "veneer/devices/pc/debug_port.h"

#include <gtest/gtest.h>

#include "port_bus.h"
#include "support/fake_devices.h"

namespace veneer {
namespace {

class DebugPortTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(debug_.Attach(ports_.bus));
    ASSERT_TRUE(post_.Attach(ports_.bus));
  }
  void Print(std::string_view text) {
    for (const char c : text) {
      ports_.Out8(0xe9, static_cast<unsigned char>(c));
    }
  }
  PortBus ports_;
  FakeCharacterSink sink_;
  DebugPort debug_{sink_};
  PostPort post_;
};

TEST_F(DebugPortTest, ReadsAsItsOwnNumber) { EXPECT_EQ(ports_.In8(0xe9), 0xe9); }

TEST_F(DebugPortTest, HandsOnWholeLines) {
  Print("one\ntw");
  EXPECT_EQ(sink_.writes(), std::vector<std::string>{"one\n"});
  Print("o\n");
  EXPECT_EQ(sink_.writes(), (std::vector<std::string>{"one\n", "two\n"}));
}

TEST_F(DebugPortTest, AnEndlessLineIsCut) {
  Print(std::string(DebugPort::kMaxLine * 2 + 5, 'x'));
  ASSERT_EQ(sink_.writes().size(), 2U);
  EXPECT_EQ(sink_.writes()[0].size(), DebugPort::kMaxLine);
}

TEST_F(DebugPortTest, FlushHandsOnTheRestOnce) {
  Print("rest");
  debug_.Flush();
  debug_.Flush();
  EXPECT_EQ(sink_.writes(), std::vector<std::string>{"rest"});
}

TEST_F(DebugPortTest, ThePostPortSwallowsWrites) {
  ports_.Out8(0x80, 0x12);
  EXPECT_EQ(ports_.In8(0x80), 0xff);
  EXPECT_EQ(ports_.unclaimed.value(), 0U);
}

}  // namespace
}  // namespace veneer
