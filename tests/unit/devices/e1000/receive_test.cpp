#include "e1000_fixture.h"
#include "support/eventually.h"

namespace veneer {
namespace {

using testing::FrameShape;

class ReceiveTest : public E1000Test {
 protected:
  void SetUp() override { Build(); }
};

TEST_F(ReceiveTest, AFrameArrivesWithItsChecksumsLookedAt) {
  Set(e1000::kRxcsum, e1000::kRxIpChecksum | e1000::kRxTcpChecksum);
  Set(e1000::kIms, e1000::kRxTimer);
  StartRx();
  EXPECT_EQ(link_->receiver_offloads(), NetOffloads{});
  const FrameShape shape{.payload = 200};
  const std::vector<std::byte> frame = Arrive(shape);
  const Rx first = WaitForRx(0);
  EXPECT_EQ(first.length, frame.size() + 4) << "with its frame check sequence";
  EXPECT_EQ(first.status, 0x63) << "whole, IP and TCP checked";
  EXPECT_EQ(first.errors, 0);
  EXPECT_EQ(RxData(0, frame.size()), frame);
  ASSERT_TRUE(testing::Eventually([&] { return lines_[3].level(); }));
  EXPECT_EQ(Get(e1000::kIcr) & e1000::kRxTimer, e1000::kRxTimer);

  std::vector<std::byte> wrong = frame;
  wrong[shape.bytes() - 1] ^= std::byte{1};
  Arrive(wrong);
  EXPECT_EQ(WaitForRx(1).errors, e1000::kRxTcpWrong);
  wrong = frame;
  wrong[shape.ip_offset() + 8] ^= std::byte{1};  // its time to live
  Arrive(wrong);
  EXPECT_EQ(WaitForRx(2).errors, e1000::kRxIpWrong);
  Arrive(FrameShape{.ip = testing::Ip::kV6});
  EXPECT_EQ(WaitForRx(3).status, 0x07) << "nothing is said of its checksums";
  Set(e1000::kRxcsum, 0);
  Arrive(frame);
  EXPECT_EQ(WaitForRx(4).status, 0x07);
  EXPECT_EQ(Get(0x4074), 5U);
}

TEST_F(ReceiveTest, OnlyWhatIsForTheGuestGetsIn) {
  StartRx();
  const auto frame_to = [](std::array<unsigned, 6> address) {
    std::vector<std::byte> frame = testing::MakeFrame({});
    for (std::size_t i = 0; i < 6; ++i) {
      frame[i] = static_cast<std::byte>(address[i]);
    }
    return frame;
  };
  const auto stranger = frame_to({0x52, 0x54, 0, 0, 0, 9});
  const auto everyone = frame_to({0xff, 0xff, 0xff, 0xff, 0xff, 0xff});
  const auto group = frame_to({0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb});
  Arrive(stranger);
  Arrive(group);
  Arrive(everyone);
  WaitForRx(0);
  EXPECT_EQ(RxData(0, 6), std::vector<std::byte>(6, std::byte{0xff}));
  // The group's bit in the table: twelve bits from the fourth on.
  const unsigned hash = (0x00U | 0xfbU << 8U) >> 4U & 0xfffU;
  Set(e1000::kMulticastTable + hash / 32 * 4, 1U << hash % 32);
  Arrive(group);
  WaitForRx(1);
  Set(e1000::kRctl, e1000::kRxEnable | e1000::kRxAllUnicast);
  Arrive(everyone);
  Arrive(stranger);
  WaitForRx(2);
  EXPECT_EQ(RxData(2, 6), std::vector<std::byte>(stranger.begin(), stranger.begin() + 6));
  ASSERT_TRUE(
      testing::Eventually([&] { return metrics_.Get("e1000.0.rx_filtered").value() >= 3; }));
}

TEST_F(ReceiveTest, ShortFramesArePaddedAndTheirCheckSequenceLeftOut) {
  StartRx(e1000::kRxAllUnicast | e1000::kRxStripCrc);
  std::vector<std::byte> frame = testing::MakeFrame({});
  frame.resize(20);
  Arrive(frame);
  EXPECT_EQ(WaitForRx(0).length, 60);
  frame.resize(60);
  EXPECT_EQ(RxData(0, 60), frame);
}

TEST_F(ReceiveTest, LongFramesFillSeveralBuffersIfAllowed) {
  StartRx(e1000::kRxAllUnicast | e1000::kRxStripCrc);
  const FrameShape shape{.payload = 4000};
  Arrive(shape);
  ASSERT_TRUE(testing::Eventually([&] { return metrics_.Get("e1000.0.rx_dropped").value() != 0; }));
  Set(e1000::kRctl, e1000::kRxEnable | e1000::kRxAllUnicast | e1000::kRxStripCrc | e1000::kRxLong);
  const std::vector<std::byte> frame = Arrive(shape);
  EXPECT_EQ(WaitForRx(0).status, e1000::kRxDone);
  EXPECT_EQ(WaitForRx(0).length, 2048);
  const Rx last = WaitForRx(1);
  EXPECT_EQ(last.status & 0x03, 0x03);
  EXPECT_EQ(last.length, frame.size() - 2048);
  std::vector<std::byte> whole = RxData(0, 2048);
  const std::vector<std::byte> rest = RxData(1, last.length);
  whole.insert(whole.end(), rest.begin(), rest.end());
  EXPECT_EQ(whole, frame);
}

TEST_F(ReceiveTest, VlanTagsAreStrippedAndFiltered) {
  Set(e1000::kCtrl, e1000::kCtrlVlanMode);
  StartRx(e1000::kRxAllUnicast | e1000::kRxStripCrc | e1000::kRxVlanFilter);
  std::vector<std::byte> frame = testing::MakeFrame({.vlan_tags = 1});
  testing::Put16(frame, 14, 0x0123);
  Arrive(frame);  // not for us
  Set(e1000::kVlanTable + 0x123 / 32 * 4, 1U << 0x123 % 32);
  ASSERT_TRUE(testing::Eventually([&] {
    return metrics_.Get("e1000.0.rx_filtered").value() +
               metrics_.Get("e1000.0.rx_frames").value() !=
           0;
  }));
  const auto before = static_cast<std::uint32_t>(metrics_.Get("e1000.0.rx_frames").value());
  Arrive(frame);
  const Rx descriptor = WaitForRx(before);
  EXPECT_EQ(descriptor.status & e1000::kRxVlanStripped, e1000::kRxVlanStripped);
  EXPECT_EQ(descriptor.special, 0x0123);
  EXPECT_EQ(descriptor.length, frame.size() - 4);
  frame.erase(frame.begin() + 12, frame.begin() + 16);
  EXPECT_EQ(RxData(before, frame.size()), frame);
}

TEST_F(ReceiveTest, WithoutBuffersFramesWaitInTheLink) {
  StartRx(e1000::kRxAllUnicast);
  for (std::uint32_t i = 0; i < kRingEntries + 4; ++i) {
    Arrive(FrameShape{.payload = 100 + i});
  }
  WaitForRx(kRingEntries - 2);
  ASSERT_TRUE(testing::Eventually([&] { return Get(e1000::kRdh) == kRingEntries - 1; }));
  EXPECT_EQ(link_->waiting(), 5U);
  EXPECT_EQ(Get(e1000::kIcr) & e1000::kRxMinimum, e1000::kRxMinimum);
  for (std::uint32_t i = 0; i < 5; ++i) {
    PutRx(i, kRxData + std::uint64_t{i} * 2048);
  }
  Set(e1000::kRdt, 5);
  WaitForRx(3);
  const FrameShape last{.payload = 100 + kRingEntries + 3};
  EXPECT_EQ(WaitForRx(3).length, last.bytes() + 4);
}

}  // namespace
}  // namespace veneer
