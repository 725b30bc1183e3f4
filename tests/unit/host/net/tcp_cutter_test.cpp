#include "veneer/host/net/tcp_cutter.h"

#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/net_frames.h"

namespace veneer {
namespace {

using testing::FrameShape;
using testing::Get16;
using testing::Ip;
using testing::Put16;

// As a driver leaves it to the NIC: no lengths, no IPv4 checksum, the pseudo header's sum without
// the length.
std::vector<std::byte> Uncut(const FrameShape& shape) {
  std::vector<std::byte> frame = testing::MakeFrame(shape);
  const std::size_t ip = shape.ip_offset();
  const unsigned length = static_cast<unsigned>(shape.transport_header() + shape.payload);
  const unsigned pseudo = testing::PseudoSum(frame, shape);
  const unsigned without = pseudo >= length ? pseudo - length : pseudo + 0xffff - length;
  Put16(frame, shape.checksum_at(), without);
  Put16(frame, ip + (shape.ip == Ip::kV4 ? 2 : 4), 0);
  if (shape.ip == Ip::kV4) {
    Put16(frame, ip + 10, 0);
  }
  return frame;
}

UncutTcp Describe(const FrameShape& shape, std::size_t segment) {
  return {.ipv4 = shape.ip == Ip::kV4,
          .ip_offset = shape.ip_offset(),
          .tcp_offset = shape.transport_offset(),
          .header_bytes = shape.headers(),
          .segment_bytes = segment};
}

class TcpCutterTest : public ::testing::TestWithParam<Ip> {};
INSTANTIATE_TEST_SUITE_P(BothIps, TcpCutterTest, ::testing::Values(Ip::kV4, Ip::kV6));

TEST_P(TcpCutterTest, EverySegmentIsAFrameThatIsRight) {
  constexpr std::size_t kSegment = 1000;
  const FrameShape whole{.ip = GetParam(), .payload = 3500, .tcp_options = 12};
  std::vector<std::byte> frame = Uncut(whole);
  constexpr std::byte kPushFin{0x19};
  frame[whole.transport_offset() + 13] = kPushFin;
  const std::vector<std::byte> original = frame;
  ASSERT_TRUE(TcpCutter::Valid(frame, Describe(whole, kSegment)));
  TcpCutter cutter(frame, Describe(whole, kSegment));
  std::vector<std::byte> room(whole.headers() + kSegment);
  const auto sequence = [&](const std::vector<std::byte>& bytes) {
    return std::uint32_t{Get16(bytes, whole.transport_offset() + 4)} << 16U |
           Get16(bytes, whole.transport_offset() + 6);
  };
  for (std::size_t i = 0; i < 4; ++i) {
    const std::span<std::byte> cut = cutter.Next(room);
    const std::vector<std::byte> bytes(cut.begin(), cut.end());
    FrameShape shape = whole;
    shape.payload = i < 3 ? 1000 : 500;
    ASSERT_EQ(bytes.size(), shape.bytes());
    const std::size_t ip = shape.ip_offset();
    const auto ip_bytes = static_cast<unsigned>(shape.bytes() - ip);
    if (shape.ip == Ip::kV4) {
      EXPECT_EQ(Get16(bytes, ip + 2), ip_bytes);
      EXPECT_EQ(Get16(bytes, ip + 4), (Get16(original, ip + 4) + i) & 0xffffU);
      EXPECT_EQ(testing::Sum(bytes, ip, ip + 20), 0xffffU);
    } else {
      EXPECT_EQ(Get16(bytes, ip + 4), ip_bytes - 40);
    }
    EXPECT_EQ(testing::Sum(bytes, shape.transport_offset(), bytes.size(),
                           testing::PseudoSum(bytes, shape)),
              0xffffU);
    EXPECT_EQ(sequence(bytes), sequence(original) + i * 1000);
    EXPECT_EQ(bytes[shape.transport_offset() + 13], i < 3 ? std::byte{0x10} : kPushFin);
    EXPECT_EQ(std::memcmp(bytes.data() + shape.headers(),
                          original.data() + shape.headers() + i * 1000, shape.payload),
              0);
  }
  EXPECT_TRUE(cutter.Next(room).empty());
}

TEST_P(TcpCutterTest, TheUncutFrameSaysHowLongItIs) {
  const FrameShape whole{.ip = GetParam(), .payload = 3500};
  std::vector<std::byte> frame = Uncut(whole);
  TcpCutter(frame, Describe(whole, 1000)).CompleteUncut();
  std::vector<std::byte> wanted = testing::MakeFrame(whole);
  Put16(wanted, whole.checksum_at(), testing::PseudoSum(wanted, whole));
  EXPECT_EQ(frame, wanted);
}

TEST(TcpCutter, RefusesHeadersThatAreNotInTheFrame) {
  const FrameShape shape{.payload = 10};
  const std::vector<std::byte> frame = testing::MakeFrame(shape);
  const UncutTcp good = Describe(shape, 1);
  EXPECT_TRUE(TcpCutter::Valid(frame, good));
  for (const auto& spoil : std::initializer_list<void (*)(UncutTcp&)>{
           [](UncutTcp& tcp) { tcp.segment_bytes = 0; }, [](UncutTcp& tcp) { tcp.ip_offset = 255; },
           [](UncutTcp& tcp) { tcp.tcp_offset = tcp.ip_offset; },
           [](UncutTcp& tcp) { tcp.tcp_offset = 255; }, [](UncutTcp& tcp) { tcp.header_bytes = 0; },
           [](UncutTcp& tcp) { tcp.header_bytes = 255; }}) {
    UncutTcp bad = good;
    spoil(bad);
    EXPECT_FALSE(TcpCutter::Valid(frame, bad));
  }
  EXPECT_FALSE(TcpCutter::Valid(std::span(frame).first(20), good));
}

TEST(TcpCutter, NoPayloadIsOneFrame) {
  const FrameShape shape{.payload = 0};
  std::vector<std::byte> frame = Uncut(shape);
  TcpCutter cutter(frame, Describe(shape, 1));
  std::vector<std::byte> room(shape.headers() + 1);
  EXPECT_EQ(cutter.Next(room).size(), shape.bytes());
  EXPECT_TRUE(cutter.Next(room).empty());
}

}  // namespace
}  // namespace veneer
