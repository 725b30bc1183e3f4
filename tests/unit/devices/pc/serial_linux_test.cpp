// What Linux's 8250 driver does with the UART, step by step, and threads at once.

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "serial_fixture.h"

namespace veneer {
namespace {

TEST_F(SerialTest, LinuxDetectsA16550A) {
  // Is anything there: the interrupt enable register keeps four bits.
  Put(kIer, 0);
  EXPECT_EQ(Get(kIer) & 0x0f, 0x00);
  Put(kIer, 0x0f);
  EXPECT_EQ(Get(kIer) & 0x0f, 0x0f);
  Put(kIer, 0);
  // Does loopback work.
  Put(kMcr, kLoop | 0x0a);
  EXPECT_EQ(Get(kMsr) & 0xf0, 0x90);
  Put(kMcr, 0);
  // Which chip: FIFOs that work, no enhanced register set (16650 and up), no 64-byte FIFO (16750).
  Put(kLcr, 0xbf);
  Put(kFcr, 0);
  Put(kLcr, 0);
  Put(kFcr, 1);
  EXPECT_EQ(Get(kIir) >> 6, 3);
  Put(kLcr, 0x80);
  EXPECT_NE(Get(kIir), 0);
  Put(kLcr, 0);
  Put(kFcr, 0x21);
  const int without_latch = Get(kIir) >> 5;
  Put(kLcr, 0x80);
  Put(kFcr, 0x21);
  const int with_latch = Get(kIir) >> 5;
  Put(kLcr, 0);
  EXPECT_EQ(without_latch, 6);
  EXPECT_EQ(with_latch, 6);
  // No Xscale: the unit-enable bit does not stick.
  Put(kIer, 0x40);
  EXPECT_EQ(Get(kIer), 0);
}

// The driver's start-up test of the transmit interrupt: a chip that does not raise it again after
// it has been off gets a polling timer.
TEST_F(SerialTest, LinuxFindsNoTransmitInterruptBug) {
  Put(kIer, 2);
  Get(kIir);
  Put(kIer, 0);
  Put(kIer, 2);
  EXPECT_EQ(Get(kIir) & 1, 0);
}

// The interrupt handler fills the FIFO for each transmit interrupt until there is nothing left.
TEST_F(SerialTest, LinuxPrintsByInterrupt) {
  const std::string text = "The quick brown fox jumps over the lazy dog\r\n";
  std::size_t sent = 0;
  Put(kFcr, 1);
  Put(kMcr, kOut2 | 3);
  Put(kIer, 2);
  int interrupts = 0;
  while (line_.level()) {
    ++interrupts;
    ASSERT_LT(interrupts, 100);
    ASSERT_EQ(Get(kIir), 0xc2);
    Get(kLsr);
    for (unsigned i = 0; i < 16 && sent < text.size(); ++i) {
      Put(kThr, static_cast<std::uint8_t>(text[sent++]));
    }
    if (sent == text.size()) {
      Put(kIer, 0);
    }
  }
  EXPECT_EQ(interrupts, 3);
  EXPECT_EQ(sink_.writes(), std::vector<std::string>{text});
}

TEST_F(SerialTest, VcpusAndTheHostMayUseItAtOnce) {
  constexpr int kLines = 500;
  Put(kFcr, 1);
  Put(kIer, 0x0f);
  Put(kMcr, kOut2);
  std::atomic<bool> stop{false};
  std::thread host([&] {
    while (!stop) {
      Type("input");
      serial_.Flush();
    }
  });
  std::thread reader([&] {
    while (!stop) {
      Get(kIir);
      Get(kLsr);
      Get(kRbr);
    }
  });
  for (int i = 0; i < kLines; ++i) {
    Print("line\n");
  }
  stop = true;
  host.join();
  reader.join();
  std::string expected;
  for (int i = 0; i < kLines; ++i) {
    expected += "line\n";
  }
  EXPECT_EQ(sink_.text(), expected);
}

}  // namespace
}  // namespace veneer
