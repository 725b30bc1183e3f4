#include "src/host/net/frame_queue.h"

#include <vector>

#include <gtest/gtest.h>

namespace veneer {
namespace {

std::vector<std::byte> Frame(std::size_t size, int value) {
  return std::vector<std::byte>(size, static_cast<std::byte>(value));
}

TEST(FrameQueue, KeepsTheirOrder) {
  FrameQueue queue;
  EXPECT_TRUE(queue.empty());
  EXPECT_TRUE(queue.Push(Frame(60, 1)));
  EXPECT_TRUE(queue.Push(Frame(70, 2)));
  EXPECT_EQ(queue.Front().size(), 60U);
  EXPECT_EQ(queue.Front()[59], std::byte{1});
  queue.Pop();
  EXPECT_EQ(queue.Front().size(), 70U);
  queue.Pop();
  EXPECT_TRUE(queue.empty());
}

TEST(FrameQueue, IsBoundedByBytesAndTakesMoreOnceThereIsRoom) {
  FrameQueue queue;
  constexpr std::size_t kSize = 65536;
  std::size_t taken = 0;
  while (queue.Push(Frame(kSize, 0)) && taken <= FrameQueue::kMaxBytes) {
    taken += kSize;
  }
  EXPECT_EQ(taken, FrameQueue::kMaxBytes);
  EXPECT_FALSE(queue.Push(Frame(60, 0)));
  queue.Pop();
  EXPECT_TRUE(queue.Push(Frame(kSize, 0)));
}

TEST(FrameQueue, IsBoundedByFrames) {
  FrameQueue queue;
  std::size_t taken = 0;
  while (queue.Push(Frame(14, 0)) && taken <= FrameQueue::kMaxFrames) {
    ++taken;
  }
  EXPECT_EQ(taken, FrameQueue::kMaxFrames);
}

}  // namespace
}  // namespace veneer
