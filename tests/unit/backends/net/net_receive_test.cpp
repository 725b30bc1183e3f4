// Frames to the guest: of every size and kind, in every order, with too few buffers and bad ones.

#include <random>

#include "net_fixture.h"

namespace veneer {
namespace {

using testing::FrameShape;
using testing::GroupInfo;
using testing::Ip;
using testing::MakeFrame;
using Abilities = NetFrontEnd::Abilities;

NetFrame Plain(std::size_t bytes) {
  return {.bytes = MakeFrame({.payload = bytes - FrameShape{}.headers()}), .header = {}};
}

NetFrame Segmented(std::size_t bytes, Ip ip = Ip::kV4) {
  const FrameShape shape{.ip = ip, .payload = bytes - FrameShape{.ip = ip}.headers()};
  NetFrame frame{.bytes = MakeFrame(shape), .header = {}};
  frame.header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
  frame.header.csum_start = static_cast<std::uint16_t>(shape.transport_offset());
  frame.header.csum_offset = 16;
  frame.header.gso_type = ip == Ip::kV4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
  frame.header.gso_size = 1448;
  return frame;
}

TEST_F(NetTest, FramesOfEverySizeArrive) {
  Make({.name = "fake", .offloads = true, .mtu = 9000});
  Connect();
  for (const std::size_t size : {14, 54, 60, 1514, 4095, 4096, 4097, 8192, 8193, 9014}) {
    NetFrame frame{.bytes = std::vector<std::byte>(size), .header = {}};
    for (std::size_t i = 0; i < size; ++i) {
      frame.bytes[i] = static_cast<std::byte>(i * 13 + size);
    }
    link_->Arrive(frame);
    queue().Post();
    const TestReceived got = queue().Receive();
    EXPECT_EQ(got.bytes, frame.bytes) << size;
    EXPECT_EQ(got.slots, (size + 4095) / 4096) << size;
    EXPECT_EQ(got.flags & ~NETRXF_more_data, 0);
  }
}

// The kind of the last frame says where the next is read to; every succession has to come out
// right.
TEST_F(NetTest, EverySuccessionOfKinds) {
  Make({.name = "fake", .offloads = true, .mtu = 9000});
  Connect();
  const std::vector<NetFrame> kinds = {Plain(64),
                                       Plain(4096),
                                       Plain(9000),
                                       Segmented(3000),
                                       Segmented(4097),
                                       Segmented(65549),
                                       Segmented(20000, Ip::kV6)};
  queue().Post();
  for (const NetFrame& first : kinds) {
    for (const NetFrame& second : kinds) {
      for (const NetFrame& frame : {first, second}) {
        link_->Arrive(frame);
        const TestReceived got = queue().Receive();
        queue().Post();
        ASSERT_EQ(got.bytes, frame.bytes) << first.bytes.size() << " then " << second.bytes.size();
        const bool segmented = frame.header.gso_type != VIRTIO_NET_HDR_GSO_NONE;
        EXPECT_EQ(got.segment_size, segmented ? 1448U : 0U);
        EXPECT_EQ((got.flags & NETRXF_csum_blank) != 0, segmented);
        if (segmented) {
          EXPECT_EQ(got.segment_type, frame.header.gso_type == VIRTIO_NET_HDR_GSO_TCPV6
                                          ? XEN_NETIF_GSO_TYPE_TCPV6
                                          : XEN_NETIF_GSO_TYPE_TCPV4);
        }
      }
    }
  }
  EXPECT_GT(Count("rx_moved"), 0U);
  EXPECT_EQ(Count("rx_dropped"), 0U);
}

// As a VLAN of the host's sends it over a tap; `segment_size` 0: not to be cut.
NetFrame Partial(const FrameShape& shape, std::uint16_t segment_size) {
  NetFrame frame{.bytes = MakeFrame(shape), .header = {}};
  testing::Put16(frame.bytes, shape.checksum_at(), testing::PseudoSum(frame.bytes, shape));
  frame.header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
  frame.header.csum_start = static_cast<std::uint16_t>(shape.transport_offset());
  frame.header.csum_offset =
      static_cast<std::uint16_t>(shape.checksum_at() - shape.transport_offset());
  if (segment_size > 0) {
    frame.header.gso_type =
        shape.ip == Ip::kV4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
    frame.header.gso_size = segment_size;
  }
  return frame;
}

// Linux's front-end finds no partial checksum behind a tag.
TEST_F(NetTest, ChecksumsOfTaggedFramesAreComplete) {
  Make();
  Connect();
  for (const Ip ip : {Ip::kV4, Ip::kV6}) {
    for (const testing::Transport transport :
         {testing::Transport::kTcp, testing::Transport::kUdp}) {
      for (const unsigned tags : {1U, 2U}) {
        for (const std::size_t payload : {0, 1, 1000, 5001}) {
          const FrameShape shape{
              .ip = ip, .transport = transport, .payload = payload, .vlan_tags = tags};
          link_->Arrive(Partial(shape, 0));
          queue().Post();
          const TestReceived got = queue().Receive();
          ASSERT_EQ(got.bytes, MakeFrame(shape)) << tags << " tags, " << payload << " bytes";
          EXPECT_EQ(got.flags & NETRXF_csum_blank, 0);
          EXPECT_EQ(got.segment_size, 0U);
        }
      }
    }
  }
  EXPECT_EQ(Count("rx_made_plain"), 32U);
  EXPECT_EQ(Count("rx_dropped"), 0U);
}

TEST_F(NetTest, UncutTaggedSegmentsAreCut) {
  Make();
  Connect();
  for (const Ip ip : {Ip::kV4, Ip::kV6}) {
    constexpr std::size_t kSegment = 1444;
    const FrameShape shape{.ip = ip, .payload = 20 * kSegment + 7, .vlan_tags = 1};
    const NetFrame whole = Partial(shape, kSegment);
    link_->Arrive(whole);
    link_->Arrive(Plain(60));
    std::vector<std::byte> payload;
    for (unsigned i = 0; i <= 20; ++i) {
      queue().Post();
      const TestReceived got = queue().Receive();
      FrameShape part = shape;
      part.payload = i < 20 ? kSegment : 7;
      ASSERT_EQ(got.bytes.size(), part.bytes());
      EXPECT_EQ(got.flags & NETRXF_csum_blank, 0);
      EXPECT_EQ(got.segment_size, 0U);
      EXPECT_EQ(testing::Sum(got.bytes, part.transport_offset(), part.bytes(),
                             testing::PseudoSum(got.bytes, part)),
                0xffffU);
      payload.insert(payload.end(), got.bytes.begin() + static_cast<long>(part.headers()),
                     got.bytes.end());
    }
    EXPECT_TRUE(std::equal(payload.begin(), payload.end(),
                           whole.bytes.begin() + static_cast<long>(shape.headers()),
                           whole.bytes.end()));
    queue().Post();
    EXPECT_EQ(queue().Receive().bytes, Plain(60).bytes) << "in order";
  }
}

TEST_F(NetTest, TaggedFramesThatMakeNoSenseAreDropped) {
  Make();
  Connect();
  const FrameShape shape{.payload = 3000, .vlan_tags = 1};
  NetFrame outside = Partial(shape, 0);
  outside.header.csum_start = 60000;
  NetFrame no_segments = Partial(shape, 1);
  no_segments.header.gso_size = 0;
  NetFrame no_tcp = Partial({.transport = testing::Transport::kUdp, .vlan_tags = 1}, 1000);
  for (const NetFrame& frame : {outside, no_segments, no_tcp}) {
    link_->Arrive(frame);
  }
  link_->Arrive(Plain(60));
  queue().Post();
  EXPECT_EQ(queue().Receive().bytes, Plain(60).bytes);
  EXPECT_EQ(Count("rx_dropped"), 3U);
}

TEST_F(NetTest, OffloadsAreWhatTheFrontEndTakes) {
  Make();
  ASSERT_TRUE(front_.Connect(1, Abilities{}));
  EXPECT_EQ(link_->receiver_offloads(), (NetOffloads{true, true, true}));
  ASSERT_TRUE(front_.Close() && front_.Reopen());
  ASSERT_TRUE(front_.Connect(1, Abilities{.segments = false}));
  EXPECT_EQ(link_->receiver_offloads(), (NetOffloads{true, false, false}));
  ASSERT_TRUE(front_.Close() && front_.Reopen());
  ASSERT_TRUE(front_.Connect(1, Abilities{.scatter_gather = false}));
  EXPECT_EQ(link_->receiver_offloads(), (NetOffloads{true, false, false})) << "needs several slots";
  ASSERT_TRUE(front_.Close() && front_.Reopen());
  ASSERT_TRUE(front_.Connect(1, Abilities{.checksum = false}));
  EXPECT_EQ(link_->receiver_offloads(), (NetOffloads{false, false, false}));
}

TEST_F(NetTest, WithoutScatterGatherWhatDoesNotFitOnePageIsDropped) {
  Make({.name = "fake", .offloads = true, .mtu = 9000});
  ASSERT_TRUE(front_.Connect(1, Abilities{.scatter_gather = false, .split_events = false}));
  queue().Post(3);
  link_->Arrive(Plain(4097));
  link_->Arrive(Plain(4096));
  EXPECT_EQ(queue().Receive().bytes.size(), 4096U);
  EXPECT_EQ(Count("rx_dropped"), 1U);
}

// A guest that posts nothing leaves frames where they are: with the link, which has its own limit.
TEST_F(NetTest, AGuestThatPostsNoBuffers) {
  Make();
  Connect();
  for (int i = 0; i < 500; ++i) {
    link_->Arrive(Plain(1000));
  }
  guest_.OnControl([] {});
  EXPECT_EQ(link_->waiting(), 500U);
  for (int i = 0; i < 500; ++i) {
    if (queue().rx().outstanding() < 30) {
      queue().Post(100);
    }
    ASSERT_EQ(queue().Receive().bytes.size(), 1000U);
  }
  EXPECT_GE(Count("rx_no_room"), 1U);
}

TEST_F(NetTest, BuffersThatCannotBeUsedAreAnsweredAsSuch) {
  Make();
  Connect();
  const Gfn page = guest_.NewPage();
  queue().PostRaw(GrantRef{12345678}, page);
  queue().PostRaw(guest_.Grant(page, true), page);
  queue().Post(60);
  link_->Arrive(Plain(100));
  EXPECT_TRUE(queue().Receive().bad);
  EXPECT_TRUE(queue().Receive().bad);
  EXPECT_EQ(queue().Receive().bytes.size(), 100U);
  EXPECT_EQ(Count("rx_bad"), 2U);
}

// In the middle of those that a large frame needs.
TEST_F(NetTest, ABadBufferAmongGoodOnes) {
  Make();
  Connect();
  for (int i = 0; i < 40; ++i) {
    const Gfn page = guest_.NewPage();
    queue().PostRaw(i == 3 ? GrantRef{12345678} : guest_.Grant(page), page);
  }
  queue().PushRx();
  link_->Arrive(Segmented(30000));
  link_->Arrive(Plain(100));
  EXPECT_EQ(queue().Receive().bytes.size(), 100U);
  EXPECT_EQ(Count("rx_dropped"), 1U);
}

TEST_F(NetTest, MulticastControl) {
  Make();
  ASSERT_TRUE(front_.Connect(1, Abilities{.multicast_control = true}));
  queue().Post();
  const std::array<std::uint8_t, 6> group{1, 0, 0x5e, 0, 0, 9};
  NetFrame wanted = Plain(100);
  for (std::size_t i = 0; i < group.size(); ++i) {
    wanted.bytes[i] = static_cast<std::byte>(group[i]);
  }
  NetFrame broadcast = Plain(101);
  std::fill_n(broadcast.bytes.begin(), 6, std::byte{0xff});
  link_->Arrive(wanted);
  link_->Arrive(broadcast);
  EXPECT_EQ(queue().Receive().bytes.size(), 101U) << "the group has not been joined";
  const auto say = [&](bool join, const std::array<std::uint8_t, 6>& address) {
    queue().PutFrame({{GrantRef{0}, 0, 0}}, 0, {GroupInfo(join, address)});
    queue().PushTx();
    return queue().WaitAllTx().at(0).status;
  };
  EXPECT_EQ(say(true, group), NETIF_RSP_OKAY);
  link_->Arrive(wanted);
  EXPECT_EQ(queue().Receive().bytes, wanted.bytes);
  EXPECT_EQ(say(false, group), NETIF_RSP_OKAY);
  link_->Arrive(wanted);
  link_->Arrive(Plain(102));
  EXPECT_EQ(queue().Receive().bytes.size(), 102U);
  EXPECT_EQ(say(true, {2, 0, 0, 0, 0, 1}), NETIF_RSP_ERROR) << "no group";
  for (std::uint8_t i = 0; i < 64; ++i) {
    EXPECT_EQ(say(true, {1, 0, 0x5e, 1, 1, i}), NETIF_RSP_OKAY);
  }
  EXPECT_EQ(say(true, {1, 0, 0x5e, 1, 1, 64}), NETIF_RSP_ERROR) << "too many";
}

TEST_F(NetTest, AnIndexThatMakesNoSenseClosesTheInterface) {
  Make();
  Connect();
  queue().Post(10);
  queue().rx().req_prod().store(100000);
  static_cast<void>(guest_.events->Send(queue().rx_port()));
  link_->Arrive(Plain(100));
  EXPECT_TRUE(front_.WaitForBack(XenbusState::kClosing));
}

}  // namespace
}  // namespace veneer
