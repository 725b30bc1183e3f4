#include "veneer/devices/pc/serial_16550.h"

#include <string_view>

#include <gtest/gtest.h>

#include "serial_fixture.h"

namespace veneer {
namespace {

TEST_F(SerialTest, TheTransmitterIsAlwaysEmpty) {
  EXPECT_EQ(Get(kLsr), 0x60);
  Put(kThr, 'x');
  EXPECT_EQ(Get(kLsr), 0x60);
}

TEST_F(SerialTest, ALineIsOneWrite) {
  Print("hello\r\n");
  EXPECT_EQ(sink_.writes(), std::vector<std::string>{"hello\r\n"});
}

TEST_F(SerialTest, AGuestThatPollsForEachCharacterStillWritesLines) {
  for (const char c : std::string_view("hello\n")) {
    while ((Get(kLsr) & 0x20) == 0) {
    }
    Put(kThr, static_cast<std::uint8_t>(c));
  }
  EXPECT_EQ(sink_.writes(), std::vector<std::string>{"hello\n"});
}

TEST_F(SerialTest, APromptShowsWhenTheGuestWaitsForInput) {
  Print("login: ");
  EXPECT_EQ(sink_.text(), "");
  Get(kLsr);
  Get(kLsr);
  EXPECT_EQ(sink_.text(), "login: ");
}

TEST_F(SerialTest, APromptShowsWhenTheGuestTurnsTheTransmitInterruptOff) {
  Put(kIer, 3);
  Print("login: ");
  Put(kIer, 1);
  EXPECT_EQ(sink_.text(), "login: ");
}

TEST_F(SerialTest, FlushHandsOnTheRest) {
  Print("half");
  serial_.Flush();
  serial_.Flush();
  EXPECT_EQ(sink_.writes(), std::vector<std::string>{"half"});
}

TEST_F(SerialTest, EndlessLinesAreCut) {
  Print(std::string(10000, 'x'));
  serial_.Flush();
  EXPECT_EQ(sink_.text().size(), 10000U);
  for (const std::string& write : sink_.writes()) {
    EXPECT_LE(write.size(), 256U);
  }
}

TEST_F(SerialTest, ReceivedCharactersComeInOrder) {
  Put(kFcr, 1);
  EXPECT_EQ(Type("ab"), 2U);
  EXPECT_EQ(Get(kLsr) & 1, 1);
  EXPECT_EQ(Get(kRbr), 'a');
  EXPECT_EQ(Get(kRbr), 'b');
  EXPECT_EQ(Get(kLsr) & 1, 0);
  EXPECT_EQ(Get(kRbr), 0);
}

TEST_F(SerialTest, TheBacklogIsBoundedAndAsksForMoreWhenItHasRoom) {
  int calls = 0;
  serial_.SetRoomCallback([&calls] { ++calls; });
  const std::string text(10000, 'x');
  std::size_t taken = Type(text);
  EXPECT_LT(taken, text.size());
  EXPECT_GE(taken, Serial16550::kBacklogSize);
  EXPECT_EQ(Type("y"), 1U) << "one character had gone on to the receiver";
  EXPECT_EQ(Type("y"), 0U);
  taken += 1;
  while (calls == 0 && taken-- > 0) {
    Get(kRbr);
    EndPause();
  }
  EXPECT_EQ(calls, 1);
  EXPECT_GE(Type(text), Serial16550::kBacklogSize / 2);
}

TEST_F(SerialTest, ABurstEndsAndTheLineFallsBeforeTheNextBegins) {
  Put(kFcr, 1);
  Put(kMcr, kOut2);
  Put(kIer, 1);
  Type(std::string(100, 'x'));
  EXPECT_TRUE(line_.level());
  unsigned read = 0;
  while ((Get(kLsr) & 1) != 0) {
    ASSERT_LT(read, 100U) << "a driver that reads until nothing is left never gets away";
    Get(kRbr);
    ++read;
  }
  EXPECT_EQ(read, Serial16550::kFifoSize);
  EXPECT_FALSE(line_.level());
  EXPECT_EQ(Get(kIir), 0xc1);
  EndPause();
  EXPECT_TRUE(line_.level());
  EXPECT_EQ(line_.edges(), 2);
}

TEST_F(SerialTest, WhatComesMeanwhileDoesNotMakeABurstLonger) {
  Put(kFcr, 1);
  Type(std::string(16, 'x'));
  for (unsigned i = 0; i < 15; ++i) {
    Get(kRbr);
    Type("y");
  }
  Get(kRbr);
  EXPECT_EQ(Get(kLsr) & 1, 0);
  EndPause();
  EXPECT_EQ(Get(kRbr), 'y');
}

TEST_F(SerialTest, APauseIsAsLongAsTheGuestTookWithinLimits) {
  Put(kFcr, 1);
  struct {
    std::uint64_t took;
    std::uint64_t pause;
  } const cases[] = {{0, Serial16550::kShortestPauseNs},
                     {3'000'000, 3'000'000},
                     {1'000'000'000, Serial16550::kLongestPauseNs}};
  for (const auto& [took, pause] : cases) {
    Type(std::string(17, 'x'));
    clock_.Advance(took);
    for (unsigned i = 0; i < 16; ++i) {
      Get(kRbr);
    }
    ASSERT_TRUE(timer_.deadline());
    EXPECT_EQ(*timer_.deadline() - clock_.MonotonicNs(), pause);
    EndPause();
    EXPECT_EQ(Get(kRbr), 'x');
    clock_.Advance(Serial16550::kLongestPauseNs);
  }
}

TEST_F(SerialTest, WhatIsTypedAfterAPauseComesAtOnce) {
  Type("a");
  Get(kRbr);
  clock_.Advance(Serial16550::kShortestPauseNs);
  Type("b");
  EXPECT_EQ(Get(kRbr), 'b');
}

TEST_F(SerialTest, NothingOfALongPasteIsLost) {
  Put(kFcr, 1);
  std::string sent;
  for (unsigned i = 0; i < 200'000; ++i) {
    sent.push_back(static_cast<char>('a' + i % 26));
  }
  std::string received;
  std::size_t given = 0;
  for (unsigned rounds = 0; received.size() < sent.size() && rounds < 200'000; ++rounds) {
    given += Type(std::string_view(sent).substr(given, 1024));
    while ((Get(kLsr) & 1) != 0) {
      received.push_back(static_cast<char>(Get(kRbr)));
    }
    EndPause();
  }
  EXPECT_EQ(received, sent);
}

TEST_F(SerialTest, NoCallbackWhenEverythingFitted) {
  int calls = 0;
  serial_.SetRoomCallback([&calls] { ++calls; });
  Type("abc");
  Get(kRbr);
  Get(kRbr);
  EXPECT_EQ(calls, 0);
}

TEST_F(SerialTest, ReceiveInterruptFollowsTheData) {
  Put(kMcr, kOut2);
  Put(kIer, 1);
  EXPECT_FALSE(line_.level());
  Type("a");
  EXPECT_TRUE(line_.level());
  EXPECT_EQ(Get(kIir), 0x04);
  Get(kRbr);
  EXPECT_FALSE(line_.level());
  EXPECT_EQ(Get(kIir), 0x01);
}

TEST_F(SerialTest, BelowTheTriggerLevelItIsATimeout) {
  Put(kFcr, 0x81);  // trigger at 8
  Put(kIer, 1);
  Type("1234567");
  EXPECT_EQ(Get(kIir), 0xcc);
  Type("8");
  EXPECT_EQ(Get(kIir), 0xc4);
  Get(kRbr);
  EXPECT_EQ(Get(kIir), 0xcc);
}

TEST_F(SerialTest, TransmitInterruptIsClearedByReadingIirAndRaisedByWriting) {
  Put(kMcr, kOut2);
  Put(kIer, 2);
  EXPECT_TRUE(line_.level());
  EXPECT_EQ(Get(kIir), 0x02);
  EXPECT_FALSE(line_.level());
  EXPECT_EQ(Get(kIir), 0x01);
  Put(kThr, 'x');
  EXPECT_TRUE(line_.level());
  EXPECT_EQ(line_.edges(), 2);
}

TEST_F(SerialTest, EnablingTheTransmitInterruptAgainRaisesItAgain) {
  Put(kIer, 2);
  Get(kIir);
  Put(kIer, 2);
  EXPECT_EQ(Get(kIir), 0x01) << "it was enabled already";
  Put(kIer, 0);
  Put(kIer, 2);
  EXPECT_EQ(Get(kIir), 0x02);
}

TEST_F(SerialTest, InterruptsComeInTheirPriority) {
  Put(kMcr, kLoop);
  Put(kThr, 'a');
  Put(kThr, 'b');  // no FIFO: overrun
  Put(kIer, 0x0f);
  Put(kMcr, kLoop | 1);  // a modem input changes
  EXPECT_EQ(Get(kIir), 0x06);
  EXPECT_EQ(Get(kLsr) & 3, 3);
  EXPECT_EQ(Get(kIir), 0x04);
  EXPECT_EQ(Get(kRbr), 'a');
  EXPECT_EQ(Get(kIir), 0x02);
  EXPECT_EQ(Get(kIir), 0x00);
  Get(kMsr);
  EXPECT_EQ(Get(kIir), 0x01);
}

TEST_F(SerialTest, Out2GatesTheInterruptLine) {
  Put(kIer, 1);
  Type("a");
  EXPECT_FALSE(line_.level());
  Put(kMcr, kOut2);
  EXPECT_TRUE(line_.level());
  Put(kMcr, kOut2 | kLoop);
  EXPECT_FALSE(line_.level()) << "loopback holds OUT2 inactive";
}

TEST_F(SerialTest, LoopbackReturnsWhatIsSentAndKeepsTheLineOut) {
  Put(kFcr, 1);
  Put(kMcr, kLoop);
  Type("outside");
  Put(kThr, 'A');
  Put(kThr, '\n');
  EXPECT_EQ(Get(kRbr), 'A');
  EXPECT_EQ(Get(kRbr), '\n');
  EXPECT_EQ(Get(kLsr) & 1, 0);
  EXPECT_EQ(sink_.text(), "");
  Put(kMcr, 0);
  EXPECT_EQ(Get(kRbr), 'o');
}

TEST_F(SerialTest, WhatWaitedBehindLoopbackComesWhenThatHasBeenRead) {
  Put(kFcr, 1);
  Put(kMcr, kLoop);
  for (int i = 0; i < 16; ++i) {
    Put(kThr, 'A');
  }
  Type("outside");
  Put(kMcr, 0);
  for (int i = 0; i < 16; ++i) {
    EXPECT_EQ(Get(kRbr), 'A');
  }
  EXPECT_EQ(Get(kRbr), 'o');
}

TEST_F(SerialTest, LoopbackOverrunsAtTheFifosEnd) {
  Put(kFcr, 1);
  Put(kMcr, kLoop);
  for (unsigned i = 0; i < Serial16550::kFifoSize; ++i) {
    Put(kThr, 'x');
  }
  EXPECT_EQ(Get(kLsr) & 2, 0);
  Put(kThr, 'x');
  EXPECT_EQ(Get(kLsr) & 2, 2);
  EXPECT_EQ(Get(kLsr) & 2, 0) << "reading clears it";
}

TEST_F(SerialTest, LoopbackTurnsModemOutputsIntoInputs) {
  Put(kMcr, kLoop);
  EXPECT_EQ(Get(kMsr) & 0xf0, 0x00);
  struct {
    std::uint8_t output;
    std::uint8_t input;
  } const wires[] = {{0x01, 0x20}, {0x02, 0x10}, {0x04, 0x40}, {0x08, 0x80}};
  for (const auto& wire : wires) {
    Put(kMcr, kLoop | wire.output);
    EXPECT_EQ(Get(kMsr) & 0xf0, wire.input);
  }
}

TEST_F(SerialTest, ModemStatusSaysWhatChangedOnce) {
  EXPECT_EQ(Get(kMsr), 0xb0);
  Put(kMcr, kLoop);
  EXPECT_EQ(Get(kMsr), 0x0b);
  EXPECT_EQ(Get(kMsr), 0x00);
  Put(kMcr, kLoop | 4);
  EXPECT_EQ(Get(kMsr), 0x40) << "the start of a ring is no change";
  Put(kMcr, kLoop);
  EXPECT_EQ(Get(kMsr), 0x04) << "its end is";
}

TEST_F(SerialTest, DivisorLatchHidesTheDataRegisters) {
  Put(kIer, 5);
  Put(kLcr, 0x83);
  Put(kThr, 0x0c);
  Put(kIer, 0x34);
  EXPECT_EQ(Get(kRbr), 0x0c);
  EXPECT_EQ(Get(kIer), 0x34);
  Put(kLcr, 0x03);
  EXPECT_EQ(Get(kIer), 5);
  EXPECT_EQ(Get(kLcr), 0x03);
  serial_.Flush();
  EXPECT_EQ(sink_.text(), "");
}

TEST_F(SerialTest, ClearingTheFifoDropsItsContent) {
  Put(kFcr, 1);
  Type("abc");
  Put(kFcr, 3);
  EXPECT_EQ(Get(kLsr) & 1, 0);
  EXPECT_EQ(Get(kIir), 0xc1);
}

TEST_F(SerialTest, SwitchingFifosOffDropsTheirContent) {
  Put(kFcr, 1);
  Type("abc");
  Put(kFcr, 0);
  EXPECT_EQ(Get(kIir), 0x01);
  EXPECT_EQ(Get(kLsr) & 1, 0);
}

TEST_F(SerialTest, ScratchRegisterKeepsItsValue) {
  Put(kScr, 0xa5);
  EXPECT_EQ(Get(kScr), 0xa5);
}

TEST_F(SerialTest, WideAccessesAreSplitIntoBytes) {
  ports_.Out16(kBase + kLcr, 0x1003);  // LCR and MCR
  EXPECT_EQ(Get(kLcr), 3);
  EXPECT_EQ(Get(kMcr), 0x10);
  EXPECT_EQ(ports_.In16(kBase + kLcr), 0x1003);
}

TEST_F(SerialTest, EveryRegisterTakesEveryValue) {
  for (std::uint64_t reg = 0; reg < 8; ++reg) {
    for (unsigned value = 0; value < 256; ++value) {
      Put(reg, static_cast<std::uint8_t>(value));
      Type("z");
      for (std::uint64_t r = 0; r < 8; ++r) {
        Get(r);
      }
    }
  }
}

}  // namespace
}  // namespace veneer
