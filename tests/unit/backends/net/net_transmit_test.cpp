// Frames from the guest: whole, in pieces, with work left to do, and malformed.

#include <random>
#include <thread>

#include "net_fixture.h"
#include "src/backends/net/frame_headers.h"

namespace veneer {
namespace {

using testing::FrameShape;
using testing::Ip;
using testing::MakeFrame;
using testing::SegmentInfo;
using testing::Transport;

// The next multiple of a cache line's size, bytes.
std::size_t UpToLine(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

TEST_F(NetTest, AFrameGoesOutAsItIs) {
  Make();
  Connect();
  const auto frame = MakeFrame({.payload = 1400});
  queue().PutFrame(Slots(frame, {frame.size()}, 17));
  queue().PushTx();
  const auto sent = link_->TakeSent(1);
  EXPECT_EQ(sent.at(0).bytes, frame);
  EXPECT_EQ(sent.at(0).header.flags, 0);
  EXPECT_EQ(sent.at(0).header.gso_type, VIRTIO_NET_HDR_GSO_NONE);
  EXPECT_EQ(queue().WaitTx().status, NETIF_RSP_OKAY);
  EXPECT_EQ(Count("tx_bytes"), frame.size());
}

// Pages that lie side by side go to the host as one piece, others do not.
TEST_F(NetTest, NeighbouringPagesAreOnePiece) {
  Make();
  Connect();
  const auto frame = MakeFrame({.payload = 9000});
  std::vector<TestSlot> slots = Slots(frame, {kPageSize, kPageSize, frame.size() - 2 * kPageSize});
  queue().PutFrame(slots);
  std::swap(slots[0], slots[1]);
  queue().PutFrame(slots);
  queue().PushTx();
  const auto sent = link_->TakeSent(2);
  EXPECT_EQ(sent.at(0).pieces, 1U);
  EXPECT_EQ(sent.at(0).bytes, frame);
  EXPECT_EQ(sent.at(1).pieces, 3U);
}

// Headers split over any slots, slots of one byte and of none, as many slots as there may be.
TEST_F(NetTest, EveryCutOfAFrame) {
  Make();
  Connect();
  const FrameShape shape{.payload = 30};
  const auto frame = MakeFrame(shape);
  std::vector<std::vector<std::size_t>> cuts;
  for (std::size_t first = 0; first <= frame.size(); ++first) {
    cuts.push_back({first, frame.size() - first});
    cuts.push_back({first, 0, frame.size() - first});
  }
  std::vector<std::size_t> most(17, 1);
  most.push_back(frame.size() - 17);
  cuts.push_back(most);
  for (const auto& cut : cuts) {
    queue().PutFrame(Slots(frame, cut), NETTXF_csum_blank | NETTXF_data_validated);
    queue().PushTx();
    for (const netif_tx_response& answer : queue().WaitAllTx()) {
      ASSERT_EQ(answer.status, NETIF_RSP_OKAY) << cut.size() << " slots, first " << cut[0];
    }
    const auto sent = link_->TakeSent(1);
    ASSERT_EQ(sent.size(), 1U);
    auto expected = frame;
    testing::Put16(expected, shape.checksum_at(), testing::PseudoSum(frame, shape));
    ASSERT_EQ(sent.at(0).bytes, expected) << cut.size() << " slots, first " << cut[0];
    ASSERT_EQ(sent.at(0).header.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
    ASSERT_EQ(sent.at(0).header.csum_start, shape.transport_offset());
    ASSERT_EQ(sent.at(0).header.csum_offset, 16);
  }
}

TEST_F(NetTest, LargeFramesOfEveryKindPassThroughUncut) {
  Make();
  Connect();
  for (const Ip ip : {Ip::kV4, Ip::kV6}) {
    const FrameShape shape{.ip = ip, .payload = 65535 - 100, .tcp_options = 12};
    const auto frame = MakeFrame(shape);
    std::vector<std::size_t> cut{shape.headers()};
    for (std::size_t left = shape.payload; left > 0; left -= cut.back()) {
      cut.push_back(std::min<std::size_t>(left, 4096));
    }
    const auto type = ip == Ip::kV4 ? XEN_NETIF_GSO_TYPE_TCPV4 : XEN_NETIF_GSO_TYPE_TCPV6;
    queue().PutFrame(Slots(frame, cut), NETTXF_csum_blank | NETTXF_data_validated,
                     {SegmentInfo(1448, type)});
    queue().PushTx();
    const auto sent = link_->TakeSent(1);
    const virtio_net_hdr& header = sent.at(0).header;
    EXPECT_EQ(header.gso_type, ip == Ip::kV4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6);
    EXPECT_EQ(header.gso_size, 1448);
    EXPECT_EQ(header.hdr_len, shape.headers());
    EXPECT_TRUE(
        std::equal(frame.begin() + static_cast<std::ptrdiff_t>(shape.headers()), frame.end(),
                   sent.at(0).bytes.begin() + static_cast<std::ptrdiff_t>(shape.headers())));
    const auto answers = queue().WaitAllTx();
    EXPECT_EQ(answers.size(), cut.size());
  }
  EXPECT_EQ(Count("tx_gso"), 2U);
}

// What the host keeps in front of its pages ends where a cache line of the guest's ends.
TEST_F(NetTest, TheRestOfALargeFrameBeginsAtALine) {
  Make();
  Connect();
  const FrameShape shape{.payload = 3000};
  const auto frame = MakeFrame(shape);
  for (const unsigned offset : {0U, 10U, 63U, 64U}) {
    const Gfn page = guest_.NewPage();
    std::copy(frame.begin(), frame.end(), guest_.Page(page).begin() + offset);
    queue().PutFrame({{guest_.Grant(page, true), offset, static_cast<unsigned>(frame.size())}},
                     NETTXF_csum_blank, {SegmentInfo(1448, XEN_NETIF_GSO_TYPE_TCPV4)});
    queue().PushTx();
    const auto sent = link_->TakeSent(1);
    EXPECT_EQ(sent.at(0).header.hdr_len, UpToLine(offset + shape.headers()) - offset);
  }
  // Not beyond the frame.
  const FrameShape small{.payload = 2};
  queue().PutFrame(Slots(MakeFrame(small), {small.headers() + small.payload}), NETTXF_csum_blank,
                   {SegmentInfo(1, XEN_NETIF_GSO_TYPE_TCPV4)});
  queue().PushTx();
  EXPECT_EQ(link_->TakeSent(1).at(0).header.hdr_len, small.headers());
}

// The link is full in the middle of a batch: what it has taken is answered, the rest goes later,
// and nothing twice.
TEST_F(NetTest, ALinkThatIsFullInTheMiddle) {
  Make();
  Connect();
  const auto frame = MakeFrame({.payload = 2000});
  link_->SetRoom(30);
  for (std::size_t i = 0; i < 80; ++i) {
    queue().PutFrame(Slots(frame, {1000, frame.size() - 1000 - i, i}));
  }
  queue().PushTx();
  EXPECT_EQ(link_->TakeSent(30).size(), 30U);
  link_->SetFull(false);
  for (const netif_tx_response& answer : queue().WaitAllTx()) {
    EXPECT_EQ(answer.status, NETIF_RSP_OKAY);
  }
  EXPECT_EQ(link_->TakeSent(50).size(), 50U);
  EXPECT_EQ(Count("tx_frames"), 80U);
}

TEST_F(NetTest, MalformedFramesAreDroppedAndTheQueueGoesOn) {
  Make();
  Connect();
  const auto good = MakeFrame({});
  const auto udp = MakeFrame({.transport = Transport::kUdp});
  const auto arp = std::vector<std::byte>(60);
  const auto slots = Slots(good, {good.size()});
  std::vector<std::function<void()>> bad = {
      [&] {
        queue().PutFrame({{slots[0].ref, 0, 13}});
      },
      [&] {
        queue().PutFrame({{slots[0].ref, 4090, 60}});
      },
      [&] {
        queue().PutFrame({{slots[0].ref, 65535, 65535}});
      },
      [&] {
        queue().PutFrame({{GrantRef{7}, 0, 60}});
      },
      [&] {
        queue().PutFrame({{GrantRef{0xffffffff}, 0, 60}});
      },
      [&] {
        queue().PutFrame({{slots[0].ref, 0, 60}, {GrantRef{9999999}, 0, 60}});
      },
      // The second slot alone is larger than the whole.
      [&] {
        queue().PutRaw({slots[0].ref.value, 0, NETTXF_more_data, 1, 60});
        queue().PutRaw({slots[0].ref.value, 0, 0, 2, 61});
      },
      // Nineteen slots.
      [&] {
        queue().PutFrame(std::vector<TestSlot>(19, {slots[0].ref, 0, 20}));
      },
      [&] {
        queue().PutFrame(std::vector<TestSlot>(200, {slots[0].ref, 0, 20}));
      },
      [&] { queue().PutFrame(Slots(arp, {60}), NETTXF_csum_blank); },
      [&] { queue().PutFrame(slots, 0, {SegmentInfo(0, XEN_NETIF_GSO_TYPE_TCPV4)}); },
      [&] { queue().PutFrame(slots, 0, {SegmentInfo(100, XEN_NETIF_GSO_TYPE_TCPV6)}); },
      [&] { queue().PutFrame(slots, 0, {SegmentInfo(100, 77)}); },
      [&] {
        queue().PutFrame(Slots(udp, {udp.size()}), 0, {SegmentInfo(100, XEN_NETIF_GSO_TYPE_TCPV4)});
      },
      [&] {
        netif_extra_info extra{};
        extra.type = 200;
        queue().PutFrame(slots, 0, {extra});
      },
      [&] { queue().PutFrame(slots, 0, std::vector<netif_extra_info>(50)); },
  };
  for (std::size_t i = 0; i < bad.size(); ++i) {
    bad[i]();
    queue().PutFrame(slots);
    queue().PushTx();
    const auto answers = queue().WaitAllTx();
    ASSERT_FALSE(answers.empty());
    EXPECT_EQ(answers.front().status, NETIF_RSP_ERROR) << i;
    EXPECT_EQ(answers.back().status, NETIF_RSP_OKAY) << i;
    const auto sent = link_->TakeSent(1);
    ASSERT_EQ(sent.size(), 1U) << i;
    EXPECT_EQ(sent[0].bytes, good) << i;
  }
  EXPECT_EQ(Count("tx_bad"), bad.size());
  EXPECT_EQ(front_.Back("state"), "4");
}

// A front-end shows all slots of a frame at once.
TEST_F(NetTest, AFrameThatEndsInTheMiddleClosesTheInterfaceUntilItReconnects) {
  Make();
  for (const unsigned flags : {NETTXF_more_data, NETTXF_extra_info}) {
    Connect();
    const auto whole = MakeFrame({.payload = 3000});
    const auto slots = Slots(whole, {1000, whole.size() - 1000});
    queue().PutFrame(slots);
    queue().PutRaw({slots[0].ref.value, 0, static_cast<std::uint16_t>(flags), 1, 60});
    queue().PushTx();
    EXPECT_EQ(link_->TakeSent(1).at(0).bytes, whole) << "the one before it";
    ASSERT_TRUE(front_.WaitForBack(XenbusState::kClosing));
    front_.Say(XenbusState::kClosed);
    ASSERT_TRUE(front_.WaitForBack(XenbusState::kClosed));
    ASSERT_TRUE(front_.Reopen());
  }
  Connect();
  queue().PutFrame(Slots(MakeFrame({}), {MakeFrame({}).size()}));
  queue().PushTx();
  EXPECT_EQ(queue().WaitTx().status, NETIF_RSP_OKAY);
}

TEST_F(NetTest, AFullLinkKeepsTheFrameAndWaits) {
  Make();
  Connect();
  link_->SetFull(true);
  const auto frame = MakeFrame({.payload = 2000});
  for (int i = 0; i < 100; ++i) {
    queue().PutFrame(Slots(frame, {1000, frame.size() - 1000}));
  }
  queue().PushTx();
  EXPECT_EQ(link_->sent(), 0U);
  link_->SetFull(false);
  EXPECT_EQ(queue().WaitAllTx().size(), 200U);
  EXPECT_EQ(link_->TakeSent(100).size(), 100U);
}

TEST_F(NetTest, WhatTheHostRefusesIsAnsweredAndCounted) {
  Make();
  Connect();
  link_->SetRefusing(true);
  queue().PutFrame(Slots(MakeFrame({}), {MakeFrame({}).size()}));
  queue().PushTx();
  EXPECT_EQ(queue().WaitTx().status, NETIF_RSP_OKAY);
  EXPECT_EQ(Count("tx_refused"), 1U);
}

TEST_F(NetTest, ALinkWithoutOffloadsGetsNoSegments) {
  Make({.name = "plain", .offloads = false});
  Connect();
  EXPECT_EQ(front_.Back("feature-gso-tcpv4"), "0");
  EXPECT_EQ(front_.Back("feature-sg"), "1");
  queue().PutFrame(Slots(MakeFrame({}), {MakeFrame({}).size()}), NETTXF_csum_blank,
                   {SegmentInfo(100, XEN_NETIF_GSO_TYPE_TCPV4)});
  queue().PushTx();
  EXPECT_EQ(queue().WaitAllTx().at(0).status, NETIF_RSP_ERROR);
}

// The ring is used many times over, with kicks only as asked for.
TEST_F(NetTest, ManyFramesInOrder) {
  Make();
  Connect();
  std::vector<TestSlot> pages;
  for (int i = 0; i < 64; ++i) {
    auto frame = MakeFrame({.payload = 50});
    frame[60] = static_cast<std::byte>(i);
    pages.push_back(Slots(frame, {frame.size()})[0]);
  }
  std::size_t taken = 0;
  for (int round = 0; round < 40; ++round) {
    for (const TestSlot& slot : pages) {
      queue().PutFrame({slot});
    }
    queue().PushTx();
    static_cast<void>(queue().WaitAllTx());
    for (const NetFrame& frame : link_->TakeSent(64)) {
      ASSERT_EQ(frame.bytes.at(60), static_cast<std::byte>(taken++ % 64));
    }
  }
  EXPECT_EQ(taken, 40U * 64U);
}

TEST_F(NetTest, RateLimit) {
  config_.bytes_per_second = 1'000'000;
  Make();
  Connect();
  const auto frame = MakeFrame({.payload = 3000});
  const auto slots = Slots(frame, {frame.size()});
  // More than the burst of a tenth of a second.
  for (int i = 0; i < 60; ++i) {
    queue().PutFrame(slots);
  }
  queue().PushTx();
  EXPECT_EQ(queue().WaitAllTx().size(), 60U);
  // One batch may overshoot; what comes behind it has to wait.
  queue().PutFrame(slots);
  queue().PushTx();
  EXPECT_EQ(queue().WaitAllTx().size(), 1U);
  EXPECT_GE(Count("throttled"), 1U);
}

// Changes bytes of a frame's headers to others and back until it is told to stop. Not instrumented:
// that a guest's writes race with our reading is the point.
[[gnu::no_sanitize("thread")]] void ChangeHeaders(std::span<std::byte> headers,
                                                  const std::stop_token& stop) {
  std::minstd_rand random;
  while (!stop.stop_requested()) {
    volatile std::byte& at = headers[random() % headers.size()];
    at = at ^ std::byte{0xff};
    at = at ^ std::byte{0xff};
  }
}

// What is said of a frame fits the very bytes that go out, whatever the guest does to its pages.
TEST_F(NetTest, AGuestThatChangesHeadersWhileTheyAreRead) {
  Make();
  Connect();
  const FrameShape shape{.payload = 3000};
  const auto frame = MakeFrame(shape);
  const Gfn page = guest_.NewPage();
  std::copy(frame.begin(), frame.end(), guest_.Page(page).begin());
  const std::vector<TestSlot> slots{
      {guest_.Grant(page, true), 0, static_cast<unsigned>(frame.size())}};
  const std::jthread guest([&](const std::stop_token& stop) {
    // From the type on: addresses mean nothing to us.
    ChangeHeaders(guest_.Page(page).subspan(12, shape.headers() - 12), stop);
  });
  std::size_t sent = 0;
  std::size_t refused = 0;
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < 50; ++i) {
      queue().PutFrame(slots, NETTXF_csum_blank, {SegmentInfo(1448, XEN_NETIF_GSO_TYPE_TCPV4)});
    }
    queue().PushTx();
    for (const netif_tx_response& answer : queue().WaitAllTx()) {
      ++(answer.status == NETIF_RSP_OKAY ? sent : refused);
    }
    for (const NetFrame& one : link_->TakeSent(0)) {
      const auto window = std::span(one.bytes).first(std::min(one.bytes.size(), kHeaderWindow));
      const auto transport = FindTransportHeader(window, one.bytes.size());
      ASSERT_TRUE(transport.has_value());
      ASSERT_EQ(one.header.csum_start, transport->offset);
      ASSERT_EQ(one.header.csum_offset, transport->checksum_offset());
      ASSERT_EQ(one.header.hdr_len, UpToLine(transport->headers_bytes));
      ASSERT_TRUE(transport->tcp && !transport->ipv6);
    }
  }
  EXPECT_EQ(sent + refused, 10'000U);
  EXPECT_GT(sent, 0U);
}

}  // namespace
}  // namespace veneer
