#include "e1000_fixture.h"
#include "support/eventually.h"

namespace veneer {
namespace {

using testing::FrameShape;
using testing::Get16;
using testing::Ip;
using testing::NetFrame;
using testing::Put16;

class TransmitTest : public E1000Test {
 protected:
  void Begin(bool offloads = true) {
    Build(offloads);
    Set(e1000::kIms, e1000::kTxWrittenBack);
    StartTx();
  }
};

TEST_F(TransmitTest, AFrameOfSeveralPiecesGoesOut) {
  Begin();
  const std::vector<std::byte> frame = testing::MakeFrame({.payload = 200});
  PutData(frame);
  PutTx(0, {kTxData, 60, 0});
  PutTx(1, {kTxData + 60, 0, 0});  // nothing at all is allowed
  PutTx(2, {kTxData + 60, static_cast<std::uint32_t>(frame.size() - 60) | kEnd | kReport, 0});
  Set(e1000::kTdt, 3);
  const std::vector<NetFrame> sent = link_->TakeSent(1);
  EXPECT_EQ(sent[0].bytes, frame);
  EXPECT_EQ(sent[0].header.flags, 0);
  ASSERT_TRUE(testing::Eventually([&] { return lines_[3].level(); }));
  EXPECT_EQ(TxStatus(0), 0) << "only who asks is answered";
  EXPECT_EQ(TxStatus(2), e1000::kTxDone);
  EXPECT_EQ(Get(e1000::kTdh), 3U);
  EXPECT_EQ(Get(e1000::kIcr), e1000::kTxWrittenBack | e1000::kTxQueueEmpty);
  EXPECT_FALSE(lines_[3].level());
  EXPECT_EQ(Get(0x4080), 1U) << "good packets sent";
  EXPECT_EQ(Get(0x4080), 0U) << "and cleared by that";
  EXPECT_EQ(Get(0x4090), frame.size());
}

TEST_F(TransmitTest, ChecksumsToTheEndAreTheLinks) {
  for (const Ip ip : {Ip::kV4, Ip::kV6}) {
    if (link_ == nullptr) {
      Begin();
    }
    const std::uint32_t at = Get(e1000::kTdt);
    const FrameShape shape{.ip = ip, .payload = 300};
    std::vector<std::byte> frame = testing::MakeFrame(shape);
    Put16(frame, shape.checksum_at(), testing::PseudoSum(frame, shape));
    const unsigned ip_sum = Get16(frame, shape.ip_offset() + 10);
    if (ip == Ip::kV4) {
      Put16(frame, shape.ip_offset() + 10, 0);
    }
    PutData(frame);
    PutTx(at, Context(shape, false));
    PutTx(at + 1, {kTxData, static_cast<std::uint32_t>(frame.size()) | kExtended | kDataType | kEnd,
                   ip == Ip::kV4 ? 0x0300U : 0x0200U});
    Set(e1000::kTdt, at + 2);
    const std::vector<NetFrame> sent = link_->TakeSent(1);
    EXPECT_EQ(sent[0].header.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
    EXPECT_EQ(sent[0].header.csum_start, shape.transport_offset());
    EXPECT_EQ(sent[0].header.csum_offset, 16);
    if (ip == Ip::kV4) {
      EXPECT_EQ(Get16(sent[0].bytes, shape.ip_offset() + 10), ip_sum);
    }
  }
}

TEST_F(TransmitTest, OtherChecksumsAreMadeHere) {
  Begin();
  std::vector<std::byte> frame = testing::MakeFrame({.payload = 10});
  PutData(frame);
  // A legacy descriptor: from byte 20, put at byte 40.
  PutTx(0, {kTxData, static_cast<std::uint32_t>(frame.size()) | 40U << 16U | kEnd | 0x04000000U,
            20U << 8U});
  Set(e1000::kTdt, 1);
  const std::vector<NetFrame> sent = link_->TakeSent(1);
  const unsigned sum = ~testing::Sum(frame, 20, frame.size()) & 0xffffU;
  EXPECT_EQ(Get16(sent[0].bytes, 40), sum);
  EXPECT_EQ(sent[0].header.flags, 0);
}

// More frames than go out in one turn: the NIC goes on by itself.
TEST_F(TransmitTest, SegmentsOfOneByteAllGoOut) {
  Begin(/*offloads=*/false);
  const FrameShape shape{.payload = 2000};
  PutData(testing::MakeFrame(shape));
  PutTx(0, Context(shape, true, 1));
  PutTx(1, {kTxData,
            static_cast<std::uint32_t>(shape.headers() + shape.payload) | kExtended | kDataType |
                kSegment | kEnd,
            0x0300});
  Set(e1000::kTdt, 2);
  EXPECT_EQ(link_->TakeSent(2000).size(), 2000U);
  PutTx(2, {kTxData, 60 | kEnd, 0});
  Set(e1000::kTdt, 3);
  EXPECT_EQ(link_->TakeSent(1).back().bytes.size(), 60U);
}

TEST_F(TransmitTest, UncutTcpGoesToALinkThatTakesIt) {
  Begin();
  const FrameShape shape{.payload = 20000};
  std::vector<std::byte> frame = testing::MakeFrame(shape);
  PutData(frame);
  PutTx(0, Context(shape, true, 1448));
  PutTx(1, {kTxData, static_cast<std::uint32_t>(shape.headers()) | kExtended | kDataType | kSegment,
            0x0300});
  PutTx(2,
        {kTxData + shape.headers(),
         static_cast<std::uint32_t>(shape.payload) | kExtended | kDataType | kSegment | kEnd, 0});
  Set(e1000::kTdt, 3);
  const std::vector<NetFrame> sent = link_->TakeSent(1);
  EXPECT_EQ(sent[0].bytes.size(), frame.size());
  EXPECT_EQ(sent[0].header.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
  EXPECT_EQ(sent[0].header.gso_size, 1448);
  EXPECT_EQ(sent[0].header.hdr_len, shape.headers());
  EXPECT_EQ(sent[0].header.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
  EXPECT_EQ(Get16(sent[0].bytes, 16), frame.size() - 14);
}

TEST_F(TransmitTest, UncutTcpIsCutForOthersAndWaitsForThem) {
  Begin(false);
  const FrameShape shape{.payload = 5000};
  const std::vector<std::byte> frame = testing::MakeFrame(shape);
  PutData(frame);
  PutTx(0, Context(shape, true, 1000));
  PutTx(1, {kTxData,
            static_cast<std::uint32_t>(frame.size()) | kExtended | kDataType | kSegment | kEnd |
                kReport,
            0x0300});
  PutTx(2, {kTxData, 60 | kEnd, 0});
  link_->SetFull(true);
  Set(e1000::kTdt, 3);
  ASSERT_TRUE(testing::Eventually([&] { return TxStatus(1) != 0; }));
  EXPECT_EQ(link_->sent(), 0U);
  link_->SetFull(false);
  const std::vector<NetFrame> sent = link_->TakeSent(6);
  ASSERT_EQ(sent.size(), 6U);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(sent[i].bytes.size(), shape.headers() + 1000);
    EXPECT_EQ(sent[i].header.gso_type, VIRTIO_NET_HDR_GSO_NONE);
  }
  EXPECT_EQ(sent[5].bytes.size(), 60U) << "in their order";
}

TEST_F(TransmitTest, VlanTagsAreInserted) {
  Begin();
  const FrameShape shape{.payload = 50};
  const std::vector<std::byte> frame = testing::MakeFrame(shape);
  PutData(frame);
  PutTx(0,
        {kTxData, static_cast<std::uint32_t>(frame.size()) | kEnd | 0x40000000U, 0x0123U << 16U});
  Set(e1000::kTdt, 1);
  const std::vector<NetFrame> sent = link_->TakeSent(1);
  ASSERT_EQ(sent[0].bytes.size(), frame.size() + 4);
  EXPECT_EQ(Get16(sent[0].bytes, 12), 0x8100U);
  EXPECT_EQ(Get16(sent[0].bytes, 14), 0x0123U);
  EXPECT_EQ(Get16(sent[0].bytes, 16), 0x0800U);
}

}  // namespace
}  // namespace veneer
