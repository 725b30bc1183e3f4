// Many frames with one call, to a socket that keeps them apart as a tap does.
#include "src/host/net/frame_writes.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "veneer/vmm/base/unique_fd.h"

namespace veneer {
namespace {

class FrameWritesTest : public ::testing::Test {
 protected:
  FrameWritesTest() {
    std::array<int, 2> ends{};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()),
              0);
    tap_ = UniqueFd(ends[0]);
    host_ = UniqueFd(ends[1]);
    writes_ = FrameWrites::Create(tap_.get());
    EXPECT_NE(writes_, nullptr) << "this host has no io_uring to use";
  }

  // `count` frames of different lengths in two pieces.
  std::vector<OutgoingFrame> Frames(std::size_t count) {
    texts_.clear();
    pieces_.assign(count, {});
    for (std::size_t i = 0; i < count; ++i) {
      texts_.push_back(std::string(20 + i, static_cast<char>('a' + i % 26)));
    }
    std::vector<OutgoingFrame> frames(count);
    for (std::size_t i = 0; i < count; ++i) {
      pieces_[i] = {iovec{texts_[i].data(), 10},
                    iovec{texts_[i].data() + 10, texts_[i].size() - 10}};
      frames[i].header.hdr_len = static_cast<std::uint16_t>(i);
      frames[i].pieces = pieces_[i];
    }
    return frames;
  }
  // The next frame that has arrived, behind its header; empty: none.
  std::string Arrived(virtio_net_hdr& header) const {
    std::array<char, 4096> bytes{};
    const ssize_t count = read(host_.get(), bytes.data(), bytes.size());
    if (count < static_cast<ssize_t>(sizeof header)) {
      return {};
    }
    std::memcpy(&header, bytes.data(), sizeof header);
    return std::string(bytes.data() + sizeof header,
                       static_cast<std::size_t>(count) - sizeof header);
  }

  UniqueFd tap_;
  UniqueFd host_;
  std::unique_ptr<FrameWrites> writes_;
  std::vector<std::string> texts_;
  std::vector<std::array<iovec, 2>> pieces_;
};

TEST_F(FrameWritesTest, EachBehindItsHeaderAndInTheirOrder) {
  for (const std::size_t count : {std::size_t{1}, std::size_t{7}, FrameWrites::kMost}) {
    std::vector<OutgoingFrame> frames = Frames(count);
    ASSERT_TRUE(writes_->Write(frames));
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_EQ(frames[i].sent, NetSent::kSent);
      virtio_net_hdr header{};
      EXPECT_EQ(Arrived(header), texts_[i]);
      EXPECT_EQ(header.hdr_len, i);
    }
  }
}

TEST_F(FrameWritesTest, WhatDoesNotFitIsRefused) {
  const int bytes = 1;  // the least that the kernel allows
  ASSERT_EQ(setsockopt(tap_.get(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes), 0);
  std::vector<OutgoingFrame> frames = Frames(FrameWrites::kMost);
  ASSERT_TRUE(writes_->Write(frames));
  std::size_t sent = 0;
  for (const OutgoingFrame& frame : frames) {
    sent += frame.sent == NetSent::kSent ? 1 : 0;
    EXPECT_NE(frame.sent, NetSent::kFull);
  }
  EXPECT_GT(sent, 0U);
  EXPECT_LT(sent, frames.size());
  virtio_net_hdr header{};
  for (std::size_t i = 0; i < sent; ++i) {
    EXPECT_FALSE(Arrived(header).empty());
  }
  EXPECT_TRUE(Arrived(header).empty());
}

TEST_F(FrameWritesTest, NobodyOnTheOtherSide) {
  host_.Reset();
  std::vector<OutgoingFrame> frames = Frames(3);
  ASSERT_TRUE(writes_->Write(frames));
  for (const OutgoingFrame& frame : frames) {
    EXPECT_EQ(frame.sent, NetSent::kRefused);
  }
}

// As a kernel answers whose taps do not know of it: nothing is lost.
TEST_F(FrameWritesTest, AFileThatCannot) {
  const UniqueFd plain(open("/dev/full", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  writes_ = FrameWrites::Create(plain.get());
  ASSERT_NE(writes_, nullptr);
  std::vector<OutgoingFrame> frames = Frames(3);
  EXPECT_FALSE(writes_->Write(frames));
  for (const OutgoingFrame& frame : frames) {
    EXPECT_EQ(frame.sent, NetSent::kFull);
  }
}

// Of a tap nothing stays behind.
TEST_F(FrameWritesTest, ItLetsGoOfTheFile) {
  writes_.reset();
  tap_.Reset();
  std::array<char, 16> bytes{};
  EXPECT_EQ(read(host_.get(), bytes.data(), bytes.size()), 0);  // the end, and not "nothing yet"
}

}  // namespace
}  // namespace veneer
