// Frames over a UNIX stream socket, with a server that takes them in pieces or not at all.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/channel_pump.h"
#include "support/scratch_directory.h"
#include "veneer/host/net/net_link.h"
#include "veneer/vmm/base/unix_socket.h"

namespace veneer {
namespace {

using testing::Frame;
using ::testing::HasSubstr;

Frame FrameOf(std::size_t size, unsigned value) {
  Frame frame(size);
  for (std::size_t i = 0; i < size; ++i) {
    frame[i] = static_cast<std::byte>(value + i * 7);
  }
  return frame;
}

class SocketLinkTest : public ::testing::Test {
 protected:
  SocketLinkTest() {
    server_.Reset(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const timeval patience{60, 0};
    EXPECT_EQ(setsockopt(server_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
  }
  void Write(const Frame& bytes) const {
    ASSERT_EQ(write(server_.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  static Frame WithLength(const Frame& frame) {
    testing::FrameWriter writer;
    writer.U32(static_cast<std::uint32_t>(frame.size())).Put(frame);
    return writer.frame();
  }
  Frame Read(std::size_t size) const {
    Frame bytes(size);
    EXPECT_EQ(recv(server_.get(), bytes.data(), size, MSG_WAITALL), static_cast<ssize_t>(size));
    return bytes;
  }
  Frame NextFrame(std::size_t count = 1) {
    EXPECT_TRUE(pump_.Until([&] { return pump_.frames.size() >= count; }));
    return pump_.frames.size() >= count ? pump_.frames[count - 1] : Frame();
  }
  // Whether the channel says that something is there, now.
  bool Readable() const {
    epoll_event event{};
    const UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
    event.events = EPOLLIN;
    EXPECT_EQ(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, channel_->ready_fd(), &event), 0);
    return epoll_wait(epoll.get(), &event, 1, 0) == 1;
  }

  test::ScratchDirectory scratch_;
  const std::string path_ = scratch_.File("net.sock");
  UniqueFd listener_{[this] {
    UniqueFd fd = MakeUnixSocket(0);
    const UnixAddress address = UnixAddress::Of(path_).value();
    EXPECT_EQ(bind(fd.get(), address.generic(), sizeof address.value), 0);
    EXPECT_EQ(listen(fd.get(), 1), 0);
    return fd.Release();
  }()};
  std::unique_ptr<NetLink> link_ = OpenNetLink(ParseNet("socket=" + path_).value()).value();
  std::unique_ptr<NetChannel> channel_ = link_->OpenChannel(0).value();
  testing::ChannelPump pump_{*channel_};
  UniqueFd server_;
};

TEST_F(SocketLinkTest, FramesHaveTheirLengthBeforeThem) {
  const Frame out = FrameOf(61, 1);
  EXPECT_EQ(pump_.Send(out), NetSent::kSent);
  EXPECT_EQ(Read(65), WithLength(out));
  const Frame in = FrameOf(1514, 2);
  Write(WithLength(in));
  EXPECT_EQ(NextFrame(), in);
  EXPECT_EQ(link_->facts().mtu, 65520U);
}

TEST_F(SocketLinkTest, ChecksumsAreComplete) {
  Frame out = testing::UdpFrame(testing::kGuestIp, 1, testing::kHostIp, 2, FrameOf(9, 3));
  EXPECT_EQ(pump_.Send(out, testing::PartialChecksum(testing::kUdpChecksum)), NetSent::kSent);
  const Frame sent = Read(4 + out.size());
  const auto udp = std::span(sent).subspan(4 + testing::kL4Header);
  EXPECT_EQ(testing::WordSum(udp, testing::PseudoHeaderSum(testing::kUdp, testing::kGuestIp,
                                                           testing::kHostIp, udp.size())),
            0xffffU);
  virtio_net_hdr uncut{};
  uncut.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
  EXPECT_EQ(pump_.Send(out, uncut), NetSent::kRefused);
}

TEST_F(SocketLinkTest, FramesThatComeInPiecesAreWhole) {
  const Frame first = FrameOf(kMaxFrame, 3);
  const Frame second = FrameOf(14, 4);
  Frame stream = WithLength(first);
  const Frame rest = WithLength(second);
  stream.insert(stream.end(), rest.begin(), rest.end());
  std::thread server([&] {
    for (std::size_t at = 0, size = 1; at < stream.size(); at += size, size = size % 997 * 3 + 1) {
      const std::size_t count = std::min(size, stream.size() - at);
      Write(Frame(stream.begin() + static_cast<std::ptrdiff_t>(at),
                  stream.begin() + static_cast<std::ptrdiff_t>(at + count)));
    }
  });
  EXPECT_EQ(NextFrame(2), second);
  EXPECT_EQ(pump_.frames[0], first);
  server.join();
}

TEST_F(SocketLinkTest, ASlowServerHoldsTheGuestUpAndLosesNothing) {
  const Frame frame = FrameOf(60'000, 5);
  std::size_t taken = 0;
  while (pump_.Send(frame) == NetSent::kSent) {
    ASSERT_LT(++taken, 1000U);
  }
  ASSERT_GT(taken, 0U);
  while (channel_->Arm()) {
  }
  EXPECT_FALSE(Readable());
  const Frame expected = WithLength(frame);
  EXPECT_EQ(Read(expected.size()), expected);
  // There is room for a while now, and the channel says so once it can go on.
  EXPECT_TRUE(pump_.Until([&] { return pump_.Send(frame) == NetSent::kSent; }));
  for (std::size_t i = 1; i < taken; ++i) {
    EXPECT_EQ(Read(expected.size()), expected);
  }
  // The last one's end goes out without another frame behind it.
  std::thread server([&] { EXPECT_EQ(Read(expected.size()), expected); });
  bool done = false;
  std::thread watch([&] {
    server.join();
    Write(WithLength(FrameOf(60, 6)));
    done = true;
  });
  EXPECT_EQ(NextFrame(), FrameOf(60, 6));
  watch.join();
  EXPECT_TRUE(done);
}

TEST_F(SocketLinkTest, AGuestWithoutRoomIsNotWokenAgainAndAgain) {
  Write(WithLength(FrameOf(60, 7)));
  Write(WithLength(FrameOf(60, 8)));
  std::array<std::byte, 100> room{};
  const iovec piece{room.data(), room.size()};
  virtio_net_hdr header{};
  EXPECT_EQ(channel_->Receive(header, std::span(&piece, 1)), std::optional<std::size_t>(60));
  EXPECT_FALSE(channel_->Arm());
  EXPECT_FALSE(Readable());
  EXPECT_EQ(channel_->Receive(header, std::span(&piece, 1)), std::optional<std::size_t>(60));
  EXPECT_EQ(channel_->Receive(header, std::span(&piece, 1)), std::nullopt);
  EXPECT_FALSE(channel_->Arm());
  Write(WithLength(FrameOf(60, 9)));
  EXPECT_TRUE(Readable());
}

TEST_F(SocketLinkTest, FramesTooLongForTheRoomOrTooShortAreDropped) {
  Write(WithLength(FrameOf(60, 1)));
  Write(WithLength(FrameOf(13, 1)));
  Write(WithLength({}));
  Write(WithLength(FrameOf(20, 2)));
  std::array<std::byte, 30> room{};
  const iovec piece{room.data(), room.size()};
  virtio_net_hdr header{};
  const auto receive = [&] { return channel_->Receive(header, std::span(&piece, 1)); };
  EXPECT_EQ(receive(), std::optional<std::size_t>(0));
  EXPECT_EQ(receive(), std::optional<std::size_t>(0));
  EXPECT_EQ(receive(), std::optional<std::size_t>(0));
  EXPECT_EQ(receive(), std::optional<std::size_t>(20));
  EXPECT_EQ(receive(), std::nullopt);
}

TEST_F(SocketLinkTest, WithoutAServerFramesGoNowhereAndNothingSpins) {
  server_.Reset();
  EXPECT_EQ(pump_.Send(FrameOf(60, 1)), NetSent::kSent);
  EXPECT_FALSE(pump_.MoveFrames());
  EXPECT_FALSE(channel_->Arm());
  EXPECT_FALSE(Readable());
  EXPECT_EQ(pump_.Send(FrameOf(60, 1)), NetSent::kSent);
}

TEST_F(SocketLinkTest, NonsenseEndsTheConnection) {
  Frame nonsense = FrameOf(4096, 0xff);
  Write(nonsense);
  EXPECT_FALSE(pump_.MoveFrames());
  EXPECT_FALSE(channel_->Arm());
  EXPECT_TRUE(pump_.frames.empty());
}

TEST_F(SocketLinkTest, WhatIsUnderWayIsTheNextChannels) {
  const Frame whole = WithLength(FrameOf(100, 1));
  Write(Frame(whole.begin(), whole.begin() + 50));
  EXPECT_FALSE(pump_.MoveFrames());
  channel_.reset();
  channel_ = link_->OpenChannel(0).value();
  testing::ChannelPump pump(*channel_);
  Write(Frame(whole.begin() + 50, whole.end()));
  ASSERT_TRUE(pump.Until([&] { return !pump.frames.empty(); }));
  EXPECT_EQ(pump.frames[0], FrameOf(100, 1));
}

TEST(SocketLink, NobodyListens) {
  const test::ScratchDirectory scratch;
  const auto link = OpenNetLink(ParseNet("socket=" + scratch.File("none")).value());
  ASSERT_FALSE(link.has_value());
  EXPECT_EQ(link.error().kind, ErrorKind::kUsage);
  EXPECT_THAT(link.error().message, HasSubstr("no network server listens at"));
}

}  // namespace
}  // namespace veneer
