#include "src/host/net/fragment_queue.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "support/guest_frames.h"

namespace veneer {
namespace {

using testing::Frame;

constexpr std::uint64_t kSecond = 1'000'000'000;

// Part of a datagram whose bytes say where they are; `from` in units of 8 bytes.
Frame Part(std::size_t from, std::size_t bytes, bool more, unsigned id = 1) {
  testing::FrameWriter writer =
      testing::Ipv4Frame(testing::kUdp, testing::kGuestIp, testing::kHostIp, bytes);
  for (std::size_t i = 0; i < bytes; ++i) {
    writer.U8(static_cast<unsigned>((from * 8 + i) / 3) & 0xffU);
  }
  Frame& frame = writer.frame();
  testing::Set16(frame, testing::kIpHeader + 4, id);
  testing::Set16(frame, testing::kIpHeader + 6,
                 static_cast<unsigned>(from) | (more ? 0x2000U : 0U));
  return frame;
}

class FragmentQueueTest : public ::testing::Test {
 protected:
  std::size_t Take(const Frame& frame, std::uint64_t now_ns = kSecond) {
    const auto whole = queue_.Take(frame, now_ns);
    whole_ = whole ? Frame(whole->begin(), whole->end()) : Frame();
    return whole_.size();
  }
  FragmentQueue queue_;
  Frame whole_;
};

TEST_F(FragmentQueueTest, KnowsWhatIsPartOfADatagram) {
  EXPECT_TRUE(FragmentQueue::IsFragment(Part(0, 16, true)));
  EXPECT_TRUE(FragmentQueue::IsFragment(Part(1, 16, false)));
  EXPECT_FALSE(FragmentQueue::IsFragment(Part(0, 16, false)));
  EXPECT_FALSE(FragmentQueue::IsFragment(testing::PingFrame(testing::kHostIp)));
  EXPECT_FALSE(FragmentQueue::IsFragment(Frame(10)));
}

TEST_F(FragmentQueueTest, TheLargestDatagramInSmallPartsInAnyOrder) {
  constexpr std::size_t kBytes = 65515;
  constexpr std::size_t kPart = 1480;
  std::vector<Frame> parts;
  for (std::size_t at = 0; at < kBytes; at += kPart) {
    parts.push_back(Part(at / 8, std::min(kPart, kBytes - at), at + kPart < kBytes));
  }
  std::rotate(parts.begin(), parts.begin() + 17, parts.end());
  std::swap(parts.front(), parts.back());
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    ASSERT_EQ(Take(parts[i]), 0U) << i;
  }
  ASSERT_EQ(Take(parts.back()), 14 + 20 + kBytes);
  EXPECT_EQ(testing::At16(whole_, testing::kIpHeader + 2), 20 + kBytes);
  EXPECT_EQ(testing::At16(whole_, testing::kIpHeader + 6), 0U);
  EXPECT_EQ(testing::WordSum(std::span(whole_).subspan(testing::kIpHeader, 20)), 0xffffU);
  for (std::size_t i = 0; i < kBytes; ++i) {
    ASSERT_EQ(testing::At8(whole_, 34 + i), i / 3 & 0xffU) << i;
  }
  EXPECT_EQ(queue_.dropped(), 0U);
}

TEST_F(FragmentQueueTest, DatagramsAreToldApart) {
  EXPECT_EQ(Take(Part(0, 16, true, 1)), 0U);
  EXPECT_EQ(Take(Part(0, 24, true, 2)), 0U);
  EXPECT_EQ(Take(Part(2, 5, false, 1)), 14U + 20 + 21);
  EXPECT_EQ(Take(Part(3, 5, false, 2)), 14U + 20 + 29);
}

TEST_F(FragmentQueueTest, WhatMakesNoSenseIsDroppedAndCounted) {
  EXPECT_EQ(Take(Part(0, 15, true)), 0U);
  EXPECT_EQ(queue_.dropped(), 1U) << "not a multiple of 8";
  EXPECT_EQ(Take(Part(8190, 24, false)), 0U);
  EXPECT_EQ(queue_.dropped(), 2U) << "beyond the longest";
  EXPECT_EQ(Take(Frame(20)), 0U);
  EXPECT_EQ(queue_.dropped(), 3U) << "short";
  Frame cut = Part(0, 16, true);
  cut.resize(cut.size() - 1);
  EXPECT_EQ(Take(cut), 0U);
  EXPECT_EQ(queue_.dropped(), 4U) << "longer than its frame";
}

TEST_F(FragmentQueueTest, OverlappingPartsEndTheirDatagram) {
  EXPECT_EQ(Take(Part(0, 32, true)), 0U);
  EXPECT_EQ(Take(Part(3, 32, false)), 0U);
  EXPECT_EQ(queue_.dropped(), 1U);
  // Nor does a part behind the last.
  EXPECT_EQ(Take(Part(4, 8, false, 2)), 0U);
  EXPECT_EQ(Take(Part(8, 8, true, 2)), 0U);
  EXPECT_EQ(queue_.dropped(), 2U);
}

// Only the last part may have a length that is no multiple of 8: with several, bytes between them
// would be nobody's.
TEST_F(FragmentQueueTest, ADatagramHasOneEnd) {
  EXPECT_EQ(Take(Part(0, 8, true)), 0U);
  EXPECT_EQ(Take(Part(2, 5, false)), 0U);
  EXPECT_EQ(Take(Part(1, 1, false)), 0U);
  EXPECT_EQ(queue_.dropped(), 1U);
}

TEST_F(FragmentQueueTest, OldOnesGoAndSoDoTooMany) {
  EXPECT_EQ(Take(Part(0, 16, true, 7)), 0U);
  EXPECT_EQ(Take(Part(0, 16, true, 8), 40 * kSecond), 0U);
  EXPECT_EQ(queue_.dropped(), 1U);
  for (unsigned id = 100; id < 100 + FragmentQueue::kMostDatagrams; ++id) {
    EXPECT_EQ(Take(Part(0, 16, true, id), 40 * kSecond), 0U);
  }
  EXPECT_EQ(queue_.dropped(), 2U) << "the oldest makes room";
  EXPECT_EQ(Take(Part(2, 5, false, 8), 40 * kSecond), 0U) << "whose rest comes too late";
  EXPECT_EQ(Take(Part(2, 5, false, 150), 40 * kSecond), 14U + 20 + 21);
}

}  // namespace
}  // namespace veneer
