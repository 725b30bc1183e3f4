// The capture of a link: readable by others, and never in the way.
#include "src/host/net/capture_link.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <fstream>
#include <iterator>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/guest_frames.h"
#include "support/scratch_directory.h"

namespace veneer {
namespace {

using testing::Frame;
using ::testing::HasSubstr;

// Takes what it is told to take, and gives what it is given.
class FakeLink final : public NetLink {
 public:
  class Channel final : public NetChannel {
   public:
    explicit Channel(FakeLink& link) : link_(link) {}
    NetSent Send(const virtio_net_hdr&, std::span<const iovec>) override { return link_.answer; }
    std::optional<std::size_t> Receive(virtio_net_hdr&, std::span<const iovec> room) override {
      if (link_.incoming.empty()) {
        return std::nullopt;
      }
      const Frame frame = link_.incoming.front();
      link_.incoming.pop_front();
      std::copy(frame.begin(), frame.end(), static_cast<std::byte*>(room[0].iov_base));
      return frame.size();
    }
    bool Arm() override { return true; }
    void OnReady() override { ++link_.ready; }
    int ready_fd() const override { return 17; }

   private:
    FakeLink& link_;
  };

  Facts facts() const override { return {"fake", true, 3, 9000}; }
  Result<void> SetReceiverOffloads(const NetOffloads& offloads) override {
    return offloads.checksum ? Result<void>{} : HostError("no");
  }
  Result<std::unique_ptr<NetChannel>> OpenChannel(unsigned queue) override {
    if (queue > 2) {
      return HostError("queue");
    }
    return std::make_unique<Channel>(*this);
  }

  NetSent answer = NetSent::kSent;
  std::deque<Frame> incoming;
  int ready = 0;
};

class CaptureTest : public ::testing::Test {
 protected:
  // The host's own words, little endian, at `at` of the file.
  std::uint32_t Word(std::size_t at) {
    std::uint32_t value = 0;
    if (at + sizeof value <= content_.size()) {
      std::memcpy(&value, content_.data() + at, sizeof value);
    }
    return value;
  }
  void Load() {
    std::ifstream file(path_, std::ios::binary);
    content_.assign(std::istreambuf_iterator<char>(file), {});
  }
  static NetSent Send(NetChannel& channel, Frame frame) {
    const iovec pieces[] = {{frame.data(), 14}, {frame.data() + 14, frame.size() - 14}};
    return channel.Send({}, pieces);
  }

  const test::ScratchDirectory scratch_;
  const std::string path_ = scratch_.File("net.pcap");
  std::string content_;
  FakeLink* fake_ = new FakeLink;
  std::unique_ptr<NetLink> link_ =
      CaptureLink::Open(path_, 0, std::unique_ptr<NetLink>(fake_)).value();
};

TEST_F(CaptureTest, WritesWhatGoesEitherWay) {
  const auto channel = link_->OpenChannel(0).value();
  EXPECT_EQ(Send(*channel, Frame(60, std::byte{1})), NetSent::kSent);
  fake_->answer = NetSent::kFull;
  EXPECT_EQ(Send(*channel, Frame(70, std::byte{2})), NetSent::kFull);
  fake_->answer = NetSent::kRefused;
  EXPECT_EQ(Send(*channel, Frame(80, std::byte{3})), NetSent::kRefused);
  fake_->incoming = {Frame(90, std::byte{4}), Frame()};
  std::vector<std::byte> room(200);
  const iovec pieces[] = {{room.data(), 200}};
  virtio_net_hdr header{};
  EXPECT_EQ(channel->Receive(header, pieces), std::optional<std::size_t>(90));
  EXPECT_EQ(channel->Receive(header, pieces), std::optional<std::size_t>(0));
  EXPECT_EQ(channel->Receive(header, pieces), std::nullopt);

  Load();
  ASSERT_EQ(content_.size(), 24U + 16 + 60 + 16 + 90);
  EXPECT_EQ(Word(0), 0xa1b23c4dU);
  EXPECT_EQ(Word(4), 2U | 4U << 16U);
  EXPECT_EQ(Word(16), kMaxFrame);
  EXPECT_EQ(Word(20), 1U);
  EXPECT_GT(Word(24), 1'600'000'000U);  // seconds: a time of this century
  EXPECT_LT(Word(28), 1'000'000'000U);
  EXPECT_EQ(Word(32), 60U);
  EXPECT_EQ(Word(36), 60U);
  EXPECT_EQ(content_.substr(40, 60), std::string(60, 1));
  EXPECT_EQ(Word(100 + 8), 90U);
  EXPECT_EQ(content_.substr(116), std::string(90, 4));
}

TEST_F(CaptureTest, IsTheLinkItself) {
  EXPECT_EQ(link_->facts().name, "fake");
  EXPECT_EQ(link_->facts().queues, 3U);
  EXPECT_TRUE(link_->SetReceiverOffloads({.checksum = true}));
  EXPECT_FALSE(link_->SetReceiverOffloads({}));
  EXPECT_FALSE(link_->OpenChannel(3));
  const auto channel = link_->OpenChannel(0).value();
  EXPECT_TRUE(channel->Arm());
  EXPECT_EQ(channel->ready_fd(), 17);
  channel->OnReady();
  EXPECT_EQ(fake_->ready, 1);
}

TEST_F(CaptureTest, SeveralQueuesWriteWholeFrames) {
  constexpr unsigned kFrames = 500;
  std::vector<std::thread> threads;
  for (unsigned queue = 0; queue < 3; ++queue) {
    threads.emplace_back([this, queue] {
      const auto channel = link_->OpenChannel(queue).value();
      for (unsigned i = 0; i < kFrames; ++i) {
        EXPECT_EQ(Send(*channel, Frame(60 + queue * 100 + i, static_cast<std::byte>(queue))),
                  NetSent::kSent);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  Load();
  std::size_t frames = 0;
  std::size_t at = 24;
  for (; at < content_.size(); at += 16 + Word(at + 8), ++frames) {
    const std::string frame = content_.substr(at + 16, Word(at + 8));
    ASSERT_EQ(Word(at + 8), Word(at + 12));
    ASSERT_EQ(frame, std::string(frame.size(), frame[0]));
  }
  EXPECT_EQ(at, content_.size());
  EXPECT_EQ(frames, 3 * kFrames);
}

TEST_F(CaptureTest, AFileThatCannotBeWrittenIsNamed) {
  const auto link =
      CaptureLink::Open(scratch_.File("none/net.pcap"), 0, std::make_unique<FakeLink>());
  ASSERT_FALSE(link.has_value());
  EXPECT_EQ(link.error().kind, ErrorKind::kUsage);
  EXPECT_THAT(link.error().message, HasSubstr("cannot write the capture"));
}

// Each is one that tcpdump reads, and no frame is missing in between.
TEST_F(CaptureTest, AFullFileMakesRoomForAnother) {
  constexpr std::uint64_t kMost = 4096;
  constexpr std::size_t kFrame = 1000;
  const auto link = CaptureLink::Open(path_, kMost, std::make_unique<FakeLink>()).value();
  const auto channel = link->OpenChannel(0).value();
  for (unsigned char i = 0; i < 8; ++i) {
    ASSERT_EQ(Send(*channel, Frame(kFrame, std::byte{i})), NetSent::kSent);
  }
  Load();
  const std::string second = content_;
  std::ifstream file(path_ + ".1", std::ios::binary);
  content_.assign(std::istreambuf_iterator<char>(file), {});
  const std::string first = content_;
  constexpr std::size_t kRecord = 16 + kFrame;
  ASSERT_EQ(first.size(), 24 + 4 * kRecord);
  ASSERT_EQ(second.size(), 24 + 4 * kRecord);
  EXPECT_EQ(first.substr(0, 24), second.substr(0, 24));
  EXPECT_EQ(first[24 + 3 * kRecord + 16], 3);
  EXPECT_EQ(second[24 + 16], 4);
  EXPECT_LE(second.size(), kMost);
}

TEST_F(CaptureTest, AFullPipeDoesNotHoldTrafficUp) {
  const std::string pipe = scratch_.File("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const UniqueFd reader(open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  const auto link = CaptureLink::Open(pipe, 0, std::make_unique<FakeLink>()).value();
  const auto channel = link->OpenChannel(0).value();
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(Send(*channel, Frame(1514)), NetSent::kSent);
  }
}

}  // namespace
}  // namespace veneer
