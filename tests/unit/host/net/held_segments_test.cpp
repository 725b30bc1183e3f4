#include "src/host/net/held_segments.h"

#include <gtest/gtest.h>

#include "support/guest_frames.h"
#include "user_fixture.h"

namespace veneer {
namespace {

using testing::Frame;

constexpr unsigned kSyn = 2;
constexpr unsigned kReset = 4;
constexpr unsigned kAck = 16;

Frame Segment(bool from_guest, unsigned guest_port, std::uint32_t sequence,
              std::uint32_t acknowledged, unsigned flags, std::size_t bytes) {
  const std::uint32_t from = from_guest ? testing::kGuestIp : testing::kHostIp;
  const std::uint32_t to = from_guest ? testing::kHostIp : testing::kGuestIp;
  return testing::Ipv4Frame(testing::kTcp, from, to, 20 + bytes)
      .U16(from_guest ? guest_port : 80)
      .U16(from_guest ? 80 : guest_port)
      .U32(sequence)
      .U32(acknowledged)
      .U16(5U << 12U | flags)
      .U16(65535)
      .U32(0)
      .Zeros(bytes)
      .frame();
}

class HeldSegmentsTest : public ::testing::Test {
 protected:
  // The guest sends; libslirp answers that it waits for `next`.
  bool Send(std::uint32_t sequence, std::size_t bytes, std::uint32_t next, unsigned port = 1000) {
    if (!held_.Admits(Segment(true, port, sequence, 1, kAck, bytes))) {
      return false;
    }
    held_.Sent(Segment(false, port, 1, next, kAck, 0));
    held_.Taken(false);
    return true;
  }
  HeldSegments held_;
};

TEST_F(HeldSegmentsTest, WhatComesInOrderIsNotHeld) {
  for (std::uint32_t at = 0xffff'0000; at != 0x10000; at += 1024) {
    ASSERT_TRUE(Send(at, 1024, at + 1024));
  }
  EXPECT_EQ(held_.bytes(), 0U);
}

TEST_F(HeldSegmentsTest, WhatIsAheadIsCountedUntilTheGapIsFilled) {
  EXPECT_TRUE(Send(2000, 100, 1000));
  EXPECT_TRUE(Send(3000, 100, 1000));
  EXPECT_EQ(held_.bytes(), 2 * (HeldSegments::kOverhead + 154));
  EXPECT_TRUE(Send(1000, 1000, 2100));
  EXPECT_GT(held_.bytes(), 0U);
  EXPECT_TRUE(Send(2100, 900, 3100));
  EXPECT_EQ(held_.bytes(), 0U);
}

TEST_F(HeldSegmentsTest, ManyAreRefusedButNotWhatFillsTheGap) {
  std::size_t admitted = 0;
  for (std::uint32_t i = 0; i < 32'000; ++i) {
    admitted += Send(1001 + 2 * i, 1, 1000) ? 1 : 0;
  }
  EXPECT_GT(admitted, 1000U);
  EXPECT_LE(held_.bytes(), HeldSegments::kMostBytes);
  EXPECT_TRUE(Send(50'000, 1, 50'001, 2000)) << "another connection in its order";
  EXPECT_TRUE(Send(50'002, 1, 50'001, 2000)) << "and its first gap";
  EXPECT_FALSE(Send(50'004, 1, 50'001, 2000));
  EXPECT_TRUE(Send(50'001, 1, 50'003, 2000));
  EXPECT_TRUE(Send(1000, 1, 1000 + 2 * static_cast<std::uint32_t>(admitted)));
  EXPECT_EQ(held_.bytes(), 0U);
}

TEST_F(HeldSegmentsTest, AConnectionsEndFreesWhatItHeld) {
  EXPECT_TRUE(Send(2000, 100, 1000));
  held_.Sent(Segment(false, 1000, 1, 1000, kReset, 0));
  EXPECT_EQ(held_.bytes(), 0U);

  EXPECT_TRUE(Send(2000, 100, 1000));
  EXPECT_TRUE(held_.Admits(Segment(true, 1000, 5, 1, kReset, 0)));
  held_.Taken(false);
  EXPECT_GT(held_.bytes(), 0U) << "a reset that it does not believe";
  EXPECT_TRUE(held_.Admits(Segment(true, 1000, 1000, 1, kReset, 0)));
  held_.Taken(true);
  EXPECT_EQ(held_.bytes(), 0U);

  EXPECT_TRUE(Send(2000, 100, 1000));
  held_.Sent(Segment(false, 1000, 7, 1, kSyn | kAck, 0));
  EXPECT_EQ(held_.bytes(), 0U) << "a new one in its place";
}

TEST_F(HeldSegmentsTest, WhatThereIsNoConnectionForIsNotCounted) {
  for (unsigned port = 1; port < 100; ++port) {
    EXPECT_TRUE(held_.Admits(Segment(true, port, 5, 1, kAck, 100)));
    held_.Sent(Segment(false, port, 1, 0, kReset, 0));
    held_.Taken(false);
  }
  EXPECT_EQ(held_.bytes(), 0U);
}

// Its checksum is wrong, or libslirp cannot answer: nothing is said.
TEST_F(HeldSegmentsTest, WithoutAnAnswerTheLimitsHold) {
  const auto send = [this](unsigned port, std::uint32_t sequence) {
    const bool admitted = held_.Admits(Segment(true, port, sequence, 1, kAck, 100));
    held_.Taken(false);
    return admitted;
  };
  // Downwards, so that each lies before all that were admitted.
  std::uint32_t sequence = 1'000'000'000;
  while (send(1000, sequence)) {
    sequence -= 200;
    ASSERT_LE(held_.bytes(), HeldSegments::kMostBytes);
  }
  std::size_t flows = 1;
  for (unsigned port = 2000; port < 60'000; ++port) {
    flows += send(port, 5) ? 1 : 0;
  }
  EXPECT_EQ(flows, HeldSegments::kMostFlows);
}

TEST_F(HeldSegmentsTest, ShortFramesAreReadToTheirEndOnly) {
  const Frame whole = Segment(true, 1000, 5, 1, kAck, 10);
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    const Frame part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_TRUE(held_.Admits(part));
    held_.Sent(part);
    held_.Taken(false);
  }
}

// libslirp itself: each second byte of a stream, which is what it would hold without end.
TEST(HeldSegments, AGuestThatLeavesGapsIsStopped) {
  testing::UserNic nic;
  const testing::HostSocket server = testing::HostSocket::Bound(SOCK_STREAM);
  const auto send = [&](std::uint32_t sequence, std::uint32_t acknowledged, unsigned flags,
                        std::size_t bytes) {
    Frame frame = testing::Ipv4Frame(testing::kTcp, testing::kGuestIp, testing::kHostIp, 20 + bytes)
                      .U16(10'000)
                      .U16(server.port())
                      .U32(sequence)
                      .U32(acknowledged)
                      .U16(5U << 12U | flags)
                      .U16(65535)
                      .U16(testing::PseudoHeaderSum(testing::kTcp, testing::kGuestIp,
                                                    testing::kHostIp, 20 + bytes))
                      .U16(0)
                      .Zeros(bytes)
                      .frame();
    return nic.pump.Send(frame, testing::PartialChecksum(testing::kTcpChecksum));
  };
  EXPECT_EQ(send(1000, 0, kSyn, 0), NetSent::kSent);
  const Frame answer = nic.pump.WaitFor([](const Frame& frame) {
    return testing::IsIpv4(frame, testing::kTcp) &&
           (testing::At8(frame, testing::kL4Header + 13) & (kSyn | kAck)) == (kSyn | kAck);
  });
  ASSERT_FALSE(answer.empty());
  const std::uint32_t next = testing::At32(answer, testing::kL4Header + 4) + 1;
  EXPECT_EQ(send(1001, next, kAck, 0), NetSent::kSent);
  std::size_t sent = 0;
  for (std::uint32_t i = 1; i < 32'000; ++i) {
    sent += send(1001 + 2 * i, next, kAck, 1) == NetSent::kSent ? 1 : 0;
    nic.pump.MoveFrames();
  }
  EXPECT_GT(sent, 1000U);
  EXPECT_LE(sent, HeldSegments::kMostBytes / HeldSegments::kOverhead);
  // The gap can be filled still.
  EXPECT_EQ(send(1001, next, kAck, 1), NetSent::kSent);
}

}  // namespace
}  // namespace veneer
