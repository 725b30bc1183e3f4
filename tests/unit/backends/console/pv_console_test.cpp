#include "veneer/backends/console/pv_console.h"

#include <gtest/gtest.h>

#include "console_fixture.h"

namespace veneer {
namespace {

using veneer::testing::ConsoleFrontEnd;

TEST_F(PvConsoleTest, HandsOnWhatTheGuestPrints) {
  EXPECT_EQ(guest_.Write("hello\n"), 6U);
  console_.OnEvent();
  EXPECT_EQ(printed_, "hello\n");
  EXPECT_EQ(guest_.out_cons().load(), 6U);
  EXPECT_EQ(notifies_, 1);
  EXPECT_EQ(Count("console.output_bytes"), 6U);
}

TEST_F(PvConsoleTest, AnEventWithoutNewsIsQuiet) {
  console_.OnEvent();
  guest_.Write("x");
  console_.OnEvent();
  console_.OnEvent();
  EXPECT_EQ(outputs_, 1);
  EXPECT_EQ(notifies_, 1) << "or guest and back-end would wake each other for ever";
}

TEST_F(PvConsoleTest, PrintsWhatWasThereBeforeTheBackEnd) {
  ConsoleFrontEnd guest;
  guest.StartAt(70);
  guest.Write("early");
  std::size_t printed = 0;
  PvConsole late(
      guest.page(), [&](std::span<const std::byte> text) { printed += text.size(); }, [] {},
      metrics_);
  late.OnEvent();
  EXPECT_EQ(printed, 5U);
}

TEST_F(PvConsoleTest, TakesAFullOutputRingAtOnce) {
  const std::string text = Pattern(ConsoleFrontEnd::kOutSize + 1);
  EXPECT_EQ(guest_.Write(text), ConsoleFrontEnd::kOutSize);
  console_.OnEvent();
  EXPECT_EQ(outputs_, 1);
  EXPECT_EQ(printed_, text.substr(0, ConsoleFrontEnd::kOutSize));
  EXPECT_EQ(guest_.Write("again"), 5U) << "and there is room again";
}

TEST_F(PvConsoleTest, OutputGoesAroundTheEndOfTheRing) {
  for (const std::uint32_t start : {ConsoleFrontEnd::kOutSize - 1, ConsoleFrontEnd::kOutSize - 3,
                                    ConsoleFrontEnd::kOutSize, 5 * ConsoleFrontEnd::kOutSize + 7}) {
    guest_.StartAt(start);
    printed_.clear();
    const std::string text = Pattern(ConsoleFrontEnd::kOutSize, start);
    guest_.Write(text);
    console_.OnEvent();
    EXPECT_EQ(printed_, text) << start;
  }
}

TEST_F(PvConsoleTest, IndicesWrapAt32Bits) {
  guest_.StartAt(0xfffffffe);
  guest_.Write("abcdef");
  console_.OnEvent();
  EXPECT_EQ(printed_, "abcdef");
  EXPECT_EQ(guest_.out_cons().load(), 4U);
  EXPECT_EQ(Type("uvwxyz"), 6U);
  EXPECT_EQ(guest_.in_prod().load(), 4U);
  EXPECT_EQ(guest_.Read(), "uvwxyz");
}

TEST_F(PvConsoleTest, AFullRingAcross32BitsIsStillFull) {
  guest_.StartAt(0xffffffff - 100);
  const std::string text = Pattern(ConsoleFrontEnd::kInSize);
  EXPECT_EQ(Type(text), ConsoleFrontEnd::kInSize);
  EXPECT_EQ(Type("x"), 0U);
  EXPECT_EQ(guest_.Read(), text);
}

TEST_F(PvConsoleTest, GivesTheGuestWhatIsTyped) {
  EXPECT_EQ(Type("ls\r"), 3U);
  EXPECT_EQ(notifies_, 1);
  EXPECT_EQ(guest_.Read(), "ls\r");
  EXPECT_EQ(Count("console.input_bytes"), 3U);
}

TEST_F(PvConsoleTest, NothingTypedIsNoNews) {
  EXPECT_EQ(Type(""), 0U);
  EXPECT_EQ(notifies_, 0);
}

TEST_F(PvConsoleTest, InputGoesAroundTheEndOfTheRing) {
  for (const std::uint32_t start :
       {ConsoleFrontEnd::kInSize - 1, ConsoleFrontEnd::kInSize, 3 * ConsoleFrontEnd::kInSize - 5}) {
    guest_.StartAt(start);
    const std::string text = Pattern(ConsoleFrontEnd::kInSize, start);
    EXPECT_EQ(Type(text), ConsoleFrontEnd::kInSize);
    EXPECT_EQ(guest_.Read(), text) << start;
  }
}

TEST_F(PvConsoleTest, TakesOnlyInputThatFits) {
  const std::string text = Pattern(ConsoleFrontEnd::kInSize + 10);
  EXPECT_EQ(Type(text), ConsoleFrontEnd::kInSize);
  EXPECT_EQ(notifies_, 1);
  EXPECT_EQ(Type("x"), 0U);
  EXPECT_EQ(notifies_, 1) << "nothing taken, nobody told";
  EXPECT_EQ(guest_.Read(7), text.substr(0, 7));
  EXPECT_EQ(Type("0123456789"), 7U);
  EXPECT_EQ(guest_.Read(), text.substr(7, ConsoleFrontEnd::kInSize - 7) + "0123456");
}

TEST_F(PvConsoleTest, SaysOnceWhenThereIsRoomAgain) {
  Type(Pattern(ConsoleFrontEnd::kInSize + 1));
  console_.OnEvent();
  EXPECT_EQ(rooms_, 0) << "the guest has read nothing yet";
  guest_.Read(1);
  console_.OnEvent();
  EXPECT_EQ(rooms_, 1);
  guest_.Read(1);
  console_.OnEvent();
  EXPECT_EQ(rooms_, 1);
}

TEST_F(PvConsoleTest, DoesNotSpeakOfRoomThatNobodyMissed) {
  Type(Pattern(ConsoleFrontEnd::kInSize));
  guest_.Read();
  console_.OnEvent();
  EXPECT_EQ(rooms_, 0);
}

TEST_F(PvConsoleTest, AShortInputThatFitsDoesNotForgetWhoWaits) {
  Type(Pattern(ConsoleFrontEnd::kInSize + 1));
  guest_.Read(5);
  EXPECT_EQ(Type("abc"), 3U);
  EXPECT_EQ(Type(""), 0U);
  console_.OnEvent();
  EXPECT_EQ(rooms_, 1);
}

TEST_F(PvConsoleTest, TheRoomCallbackMayTypeTheRest) {
  const std::string text = Pattern(3000);
  std::size_t done = Type(text);
  on_room_ = [&] { done += Type(std::string_view(text).substr(done)); };
  std::string read;
  while (read.size() < text.size()) {
    const std::string part = guest_.Read(700);
    ASSERT_FALSE(part.empty());
    read += part;
    console_.OnEvent();
  }
  EXPECT_EQ(read, text);
}

TEST_F(PvConsoleTest, ASinkMayAnswerWithInput) {
  on_output_ = [this] { Type("echo"); };
  guest_.Write("say something");
  console_.OnEvent();
  EXPECT_EQ(guest_.Read(), "echo");
}

TEST_F(PvConsoleTest, WorksWithoutARoomCallback) {
  PvConsole console(
      guest_.page(), [](std::span<const std::byte>) {}, [] {}, metrics_);
  EXPECT_EQ(console.Input(Bytes(Pattern(2000))), ConsoleFrontEnd::kInSize);
  guest_.Read(10);
  console.OnEvent();
  EXPECT_EQ(console.Input(Bytes("abc")), 3U);
}

TEST_F(PvConsoleTest, DrainPrintsWithoutTellingTheGuest) {
  guest_.Write("last words");
  console_.Drain();
  EXPECT_EQ(printed_, "last words");
  EXPECT_EQ(notifies_, 0);
  console_.OnEvent();
  EXPECT_EQ(outputs_, 1);
}

TEST_F(PvConsoleTest, ResetEmptiesBothRingsAndLetsWaitingInputIn) {
  guest_.StartAt(1234);
  guest_.Write("lost");
  Type(Pattern(ConsoleFrontEnd::kInSize + 1));
  console_.Reset();
  EXPECT_EQ(rooms_, 1);
  EXPECT_EQ(guest_.Read(), "");
  console_.OnEvent();
  EXPECT_EQ(printed_, "");
  guest_.Write("new");
  console_.OnEvent();
  EXPECT_EQ(printed_, "new");
}

TEST_F(PvConsoleTest, FollowsAGuestThatStartsOverWithOtherIndices) {
  guest_.Write("before");
  console_.OnEvent();
  guest_.StartAt(0);
  guest_.Write("after");
  console_.OnEvent();
  EXPECT_EQ(printed_, "beforeafter");
}

}  // namespace
}  // namespace veneer
