#include <gtest/gtest.h>

#include "support/fake_net_link.h"
#include "veneer/host/net/net_link.h"

namespace veneer {
namespace {

TEST(SharedLink, OneOwnerAtATimeHasChannels) {
  auto link = std::make_unique<testing::FakeNetLink>(
      NetLink::Facts{.name = "fake", .offloads = true, .queues = 2});
  const testing::FakeNetLink& fake = *link;
  SharedNetLink shared = ShareNetLink(std::move(link));
  EXPECT_EQ(shared.second->facts().name, "fake");
  ASSERT_TRUE(shared.first->SetReceiverOffloads({.checksum = true}));
  auto zero = shared.first->OpenChannel(0);
  auto one = shared.first->OpenChannel(1);
  ASSERT_TRUE(zero && one);
  EXPECT_FALSE(shared.second->OpenChannel(0));
  EXPECT_FALSE(shared.second->SetReceiverOffloads({}));
  EXPECT_TRUE(fake.receiver_offloads().checksum);
  zero->reset();
  EXPECT_FALSE(shared.second->OpenChannel(0));
  one->reset();
  EXPECT_EQ(fake.open_channels(), 0U);
  ASSERT_TRUE(shared.second->SetReceiverOffloads({}));
  auto other = shared.second->OpenChannel(0);
  ASSERT_TRUE(other);
  EXPECT_FALSE(shared.first->OpenChannel(0));

  // The rest goes through, and the link stays for the channel.
  testing::NetFrame frame{.bytes = std::vector<std::byte>(60), .header = {}};
  const iovec piece{frame.bytes.data(), frame.bytes.size()};
  EXPECT_EQ((*other)->Send({}, std::span(&piece, 1)), NetSent::kSent);
  EXPECT_EQ(fake.sent(), 1U);
  shared = {};
  virtio_net_hdr header{};
  EXPECT_FALSE((*other)->Receive(header, std::span(&piece, 1)));
}

}  // namespace
}  // namespace veneer
