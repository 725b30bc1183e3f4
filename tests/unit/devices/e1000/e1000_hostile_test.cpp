#include "e1000_fixture.h"
#include "src/devices/e1000/transmitter.h"
#include "support/eventually.h"

namespace veneer {
namespace {

using testing::FrameShape;

class E1000HostileTest : public E1000Test {
 protected:
  void SetUp() override { Build(); }
  // A frame that is fine gets through, so what was before has been dealt with.
  void ExpectItStillSends() {
    const std::vector<std::byte> frame = testing::MakeFrame({});
    PutData(frame);
    const std::uint32_t at = Get(e1000::kTdt);
    PutTx(at, {kTxData, static_cast<std::uint32_t>(frame.size()) | kEnd, 0});
    Set(e1000::kTdt, (at + 1) % kRingEntries);
    EXPECT_EQ(link_->TakeSent(1).back().bytes, frame);
  }
};

TEST_F(E1000HostileTest, BadFramesAreDroppedAlone) {
  StartTx();
  PutTx(0, {0xffff'ffff'ffff'f000, 100 | kEnd, 0});  // not memory
  PutTx(1, {kTxData, 13 | kEnd, 0});                 // no Ethernet header
  PutTx(2, {kTxData, 0xffff | kEnd, 0});             // longer than it may be
  PutTx(3, {kTxData, 0xfffff | kExtended | kDataType | kSegment | kEnd, 0});
  PutTx(4, {0, kExtended | kSegment | 0x01000000U, 0});  // a context of zeros
  PutTx(5, {kTxData, 100 | kExtended | kDataType | kSegment | kEnd, 0x0300});
  PutTx(6, {kTxData, 100 | kExtended | 7U << 20U | kEnd, 0});  // no such descriptor
  Set(e1000::kTdt, 7);
  ExpectItStillSends();
  // Counted a moment after the frame has gone out.
  ASSERT_TRUE(testing::Eventually([&] { return metrics_.Get("e1000.0.tx_dropped").value() >= 5; }));
  EXPECT_EQ(metrics_.Get("e1000.0.tx_dropped").value(), 5U);
}

// One descriptor of 64 KiB cut into segments of one byte is as many frames.
TEST_F(E1000HostileTest, SegmentsOfOneByteGoOutInTurns) {
  constexpr std::uint32_t kTurn = 64;
  const FrameShape shape{.payload = 60000};
  PutData(testing::MakeFrame(shape));
  E1000Transmitter transmitter(*memory_);
  const std::unique_ptr<NetChannel> channel = link_->OpenChannel(0).value();
  const auto take = [&](const Tx& descriptor) {
    E1000Descriptor bytes{};
    std::memcpy(bytes.data(), &descriptor, sizeof descriptor);
    transmitter.Take(bytes, *channel, /*offloads=*/false);
  };
  transmitter.StartTurn(kTurn);
  take(Context(shape, true, 1));
  take({kTxData,
        static_cast<std::uint32_t>(shape.headers() + shape.payload) | kExtended | kDataType |
            kSegment | kEnd,
        0x0300});
  EXPECT_EQ(link_->sent(), kTurn);
  EXPECT_TRUE(transmitter.Busy());
  EXPECT_FALSE(transmitter.Blocked());
  transmitter.StartTurn(kTurn);
  transmitter.Retry(*channel);
  EXPECT_EQ(link_->sent(), 2 * kTurn);
  transmitter.StartTurn(60000);
  transmitter.Retry(*channel);
  EXPECT_FALSE(transmitter.Busy());
  EXPECT_EQ(link_->sent(), 60000U);
}

TEST_F(E1000HostileTest, AFrameWithoutEndDoesNotGrow) {
  StartTx();
  for (std::uint32_t i = 0; i < kRingEntries; ++i) {
    PutTx(i, {kTxData, 0xf000, 0});
  }
  for (std::uint32_t round = 0; round < 10; ++round) {
    Set(e1000::kTdt, (Get(e1000::kTdh) + kRingEntries - 1) % kRingEntries);
    ASSERT_TRUE(testing::Eventually([&] { return Get(e1000::kTdh) == Get(e1000::kTdt); }));
  }
  const std::uint32_t at = Get(e1000::kTdt);
  PutTx(at, {kTxData, 60 | kEnd, 0});
  Set(e1000::kTdt, (at + 1) % kRingEntries);
  ExpectItStillSends();
}

TEST_F(E1000HostileTest, IndicesOutsideTheRingAreNoWork) {
  StartTx();
  Set(e1000::kTdt, 0xffff);
  Set(e1000::kTdh, 0x8000);
  Set(e1000::kTdh, 0);
  Set(e1000::kTdt, 0);
  ExpectItStillSends();
  Set(e1000::kTdlen, 0);
  Set(e1000::kTdt, 5);
  Set(e1000::kTdlen, kRingEntries * 16);
  Set(e1000::kTdh, 0);
  Set(e1000::kTdt, 0);
  ExpectItStillSends();
}

TEST_F(E1000HostileTest, BuffersThatAreNotMemoryTakeNothing) {
  StartRx(e1000::kRxAllUnicast);
  PutRx(0, 0xffff'ffff'ffff'ff00);
  PutRx(1, kMemoryBytes - 10);
  Arrive(FrameShape{});
  Arrive(FrameShape{});
  Arrive(FrameShape{});
  WaitForRx(2);
  EXPECT_EQ(metrics_.Get("e1000.0.rx_dropped").value(), 2U);
  Set(e1000::kRdbah, 0xffffffff);
  Set(e1000::kRdt, 9);
  Arrive(FrameShape{});
  ASSERT_TRUE(testing::Eventually([&] { return link_->waiting() == 0; }));
}

TEST_F(E1000HostileTest, AccessesOfAllSizesEverywhere) {
  for (std::uint32_t offset = 0; offset < e1000::kWindowSize; offset += 2) {
    for (const unsigned size : {1U, 2U, 4U, 8U}) {
      if (offset + size <= e1000::kWindowSize) {
        mmio_.Read(base_ + offset, size);
        mmio_.Write(base_ + offset, size, 0);
      }
    }
  }
  EXPECT_EQ(mmio_.Read(base_ + e1000::kStatus, 1), 0x83U);
}

TEST_F(E1000HostileTest, TheChannelIsOpenOnlyWhileItIsSwitchedOn) {
  EXPECT_EQ(link_->open_channels(), 0U);
  StartRx();
  Set(e1000::kRctl, 0);
  ASSERT_TRUE(testing::Eventually([&] { return link_->open_channels() == 0; }));
  StartTx();
  ASSERT_TRUE(testing::Eventually([&] { return link_->open_channels() != 0; }));
  nic_->Unplug();
  ASSERT_TRUE(testing::Eventually([&] { return link_.use_count() <= 1; }));
  EXPECT_EQ(link_->open_channels(), 0U);
  EXPECT_EQ(Get(e1000::kStatus), 0xffffffffU);
  Set(e1000::kTctl, e1000::kTxEnable);
  Set(e1000::kTdt, 1);
  EXPECT_EQ(Get(e1000::kTdt), 0xffffffffU);
}

TEST_F(E1000HostileTest, EverythingAtOnce) {
  StartTx();
  StartRx(e1000::kRxAllUnicast);
  const std::vector<std::byte> frame = testing::MakeFrame({});
  PutData(frame);
  for (std::uint32_t i = 0; i < kRingEntries; ++i) {
    PutTx(i, {kTxData, static_cast<std::uint32_t>(frame.size()) | kEnd | kReport, 0});
  }
  std::thread resets([this] {
    for (std::uint32_t i = 0; i < 200; ++i) {
      Set(e1000::kTdlen, i % 3 == 0 ? 0 : kRingEntries * 16);
      Set(e1000::kTdbal, i % 5 == 0 ? 0xfffffff0U : kTxRing);
      if (i % 20 == 0) {
        Set(e1000::kCtrl, e1000::kCtrlReset);
        StartTx();
      }
      Set(e1000::kRdh, i % 20);
    }
  });
  for (std::uint32_t i = 0; i < 400; ++i) {
    Set(e1000::kTdt, i % 20);
    Set(e1000::kRdt, (i * 7) % 20);
    if (i % 10 == 0) {
      Arrive(FrameShape{});
    }
    Get(e1000::kIcr);
  }
  resets.join();
  nic_->Unplug();
  ASSERT_TRUE(testing::Eventually([&] { return link_->open_channels() == 0; }));
}

}  // namespace
}  // namespace veneer
