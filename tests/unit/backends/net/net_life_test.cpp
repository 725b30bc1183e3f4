// Connecting, closing, failing and going away; several queues; a guest that changes everything
// while it is looked at.

#include <cstring>
#include <limits>
#include <random>

#include "net_fixture.h"

namespace veneer {
namespace {

using testing::MakeFrame;

TEST_F(NetTest, WhatAFrontEndIsOffered) {
  config_.queues = 4;
  Make({.name = "tap7", .offloads = true, .queues = 3, .mtu = 9000});
  ASSERT_TRUE(front_.WaitForBack(XenbusState::kInitWait));
  EXPECT_EQ(front_.Back("mac"), "52:54:00:12:34:56");
  EXPECT_EQ(front_.Back("vifname"), "tap7");
  EXPECT_EQ(front_.Back("mtu"), "9000");
  EXPECT_EQ(front_.Back("feature-rx-copy"), "1");
  EXPECT_EQ(front_.Back("feature-sg"), "1");
  EXPECT_EQ(front_.Back("feature-gso-tcpv6"), "1");
  EXPECT_EQ(front_.Back("feature-split-event-channels"), "1");
  EXPECT_EQ(front_.Back("multi-queue-max-queues"), "3") << "no more than the link has";
  EXPECT_EQ(*guest_.store.Read(front_.front() + "/mac"), "52:54:00:12:34:56");
  EXPECT_EQ(*guest_.store.Read(front_.front() + "/handle"), "0");
}

TEST_F(NetTest, FrontEndKeysThatCannotBeServed) {
  Make();
  const std::pair<const char*, const char*> bad[] = {{"tx-ring-ref", "4294967295"},
                                                     {"rx-ring-ref", "-1"},
                                                     {"rx-ring-ref", ""},
                                                     {"event-channel-tx", "4095"},
                                                     {"event-channel-rx", "99999999999"},
                                                     {"request-rx-copy", "0"},
                                                     {"feature-rx-notify", "0"},
                                                     {"multi-queue-num-queues", "0"},
                                                     {"multi-queue-num-queues", "2"}};
  for (const auto& [key, value] : bad) {
    ASSERT_TRUE(front_.WaitForBack(XenbusState::kInitWait));
    front_.Prepare(1, {});
    front_.Write(key, value);
    front_.Say(XenbusState::kConnected);
    ASSERT_TRUE(front_.WaitForBack(XenbusState::kClosing)) << key << "=" << value;
    EXPECT_EQ(link_->open_channels(), 0U);
    front_.Say(XenbusState::kClosed);
    ASSERT_TRUE(front_.WaitForBack(XenbusState::kClosed));
    ASSERT_TRUE(front_.Reopen());
  }
  EXPECT_EQ(guest_.grants->mappings(), 0U);
}

TEST_F(NetTest, TwoQueuesThenOne) {
  config_.queues = 2;
  Make({.name = "fake", .offloads = true, .queues = 2});
  Connect(2);
  EXPECT_EQ(link_->open_channels(), 2U);
  const auto frame = MakeFrame({});
  for (unsigned i = 0; i < 2; ++i) {
    queue(i).PutFrame(Slots(frame, {frame.size()}));
    queue(i).PushTx();
    EXPECT_EQ(queue(i).WaitTx().status, NETIF_RSP_OKAY);
    queue(i).Post();
    link_->Arrive({.bytes = frame, .header = {}}, i);
    EXPECT_EQ(queue(i).Receive().bytes, frame);
  }
  ASSERT_TRUE(front_.Close() && front_.Reopen());
  EXPECT_EQ(link_->open_channels(), 0U);
  Connect(1);
  EXPECT_EQ(link_->open_channels(), 1U);
}

TEST_F(NetTest, HotRemoval) {
  Make();
  Connect();
  queue().Post();
  std::promise<void> removed;
  guest_.OnControl([&] { backend_->Remove([&] { removed.set_value(); }); });
  EXPECT_EQ(front_.Back("state"), "5");
  front_.Say(XenbusState::kClosed);
  ASSERT_EQ(removed.get_future().wait_for(testing::kPatience), std::future_status::ready);
  EXPECT_EQ(front_.Back("state"), "(none)");
  EXPECT_EQ(guest_.grants->mappings(), 0U);
}

TEST_F(NetTest, ConnectAndDisconnectStorm) {
  config_.queues = 2;
  Make({.name = "fake", .offloads = true, .queues = 2});
  std::mt19937 generator(11);
  const auto random = [&generator] { return static_cast<unsigned>(generator()); };
  const auto frame = MakeFrame({});
  const auto slots = Slots(frame, {frame.size()});
  for (int round = 0; round < 60; ++round) {
    const unsigned queues = 1 + random() % 2;
    Connect(queues);
    for (unsigned i = 0; i < queues; ++i) {
      queue(i).Post(random() % 40);
      for (unsigned k = random() % 20; k > 0; --k) {
        queue(i).PutFrame(slots);
        link_->Arrive({.bytes = frame, .header = {}}, i);
      }
      queue(i).PushTx();
    }
    ASSERT_TRUE(front_.StartOver(random));
  }
  EXPECT_EQ(guest_.grants->mappings(), 0U);
}

// The guest scribbles over its rings while they are served: nothing breaks but that interface.
TEST_F(NetTest, ScribblingOnLiveRings) {
  Make();
  const auto frame = MakeFrame({.payload = 3000});
  for (unsigned round = 0; round < 10; ++round) {
    Connect();
    const auto slots = Slots(frame, {1000, 1000, frame.size() - 2000});
    queue().Post(100);
    std::mt19937 random(round);
    std::byte* const ring = PageOf(queue().tx_ref());
    for (int i = 0; i < 60; ++i) {
      queue().PutFrame(slots, NETTXF_csum_blank);
      queue().PushTx();
      link_->Arrive({.bytes = frame, .header = {}});
      for (int words = 0; words < 20; ++words) {
        const std::size_t at = 64 + random() % (256 * 3) * 4;
        SharedWord<std::uint32_t>(ring + at).store(static_cast<std::uint32_t>(random()));
      }
      while (queue().tx().HasResponse() && queue().tx().outstanding() > 0) {
        static_cast<void>(queue().tx().Take());
      }
      if (queue().tx().outstanding() > 200) {
        break;  // the interface has been closed
      }
    }
    front_.Say(XenbusState::kClosed);
    ASSERT_TRUE(front_.WaitForBack(XenbusState::kClosed));
    ASSERT_TRUE(front_.Reopen());
  }
}

}  // namespace
}  // namespace veneer
