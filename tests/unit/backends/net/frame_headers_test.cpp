// Where the TCP or UDP header of a frame is, and what is no such frame.

#include "src/backends/net/frame_headers.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "support/net_frames.h"

namespace veneer {
namespace {

using testing::FrameShape;
using testing::Ip;
using testing::MakeFrame;
using testing::Transport;

std::optional<TransportHeader> Find(const std::vector<std::byte>& frame) {
  return FindTransportHeader(std::span(frame).first(std::min(frame.size(), kHeaderWindow)),
                             frame.size());
}

std::vector<FrameShape> Shapes() {
  std::vector<FrameShape> shapes;
  for (const Ip ip : {Ip::kV4, Ip::kV6}) {
    for (const Transport transport : {Transport::kTcp, Transport::kUdp}) {
      for (const std::size_t payload : {0, 1, 100, 9000}) {
        for (const unsigned tags : {0, 1, 2}) {
          for (const std::size_t options : {0, 8, 16}) {
            shapes.push_back({.ip = ip,
                              .transport = transport,
                              .payload = payload,
                              .vlan_tags = tags,
                              .ip_options = options,
                              .tcp_options = transport == Transport::kTcp ? options : 0});
          }
        }
      }
    }
  }
  return shapes;
}

TEST(FrameHeaders, EveryShapeIsFound) {
  for (const FrameShape& shape : Shapes()) {
    const auto header = Find(MakeFrame(shape));
    ASSERT_TRUE(header.has_value());
    EXPECT_EQ(header->ipv6, shape.ip == Ip::kV6);
    EXPECT_EQ(header->tcp, shape.transport == Transport::kTcp);
    EXPECT_EQ(header->offset, shape.transport_offset());
    EXPECT_EQ(header->headers_bytes, shape.headers());
    EXPECT_EQ(header->length, shape.transport_header() + shape.payload);
    EXPECT_EQ(header->offset + header->checksum_offset(), shape.checksum_at());
  }
}

// With the pseudo header's sum in place, summing up header and payload completes the checksum.
TEST(FrameHeaders, ThePseudoHeaderSumIsWhatCompletesTheChecksum) {
  for (const FrameShape& shape : Shapes()) {
    const std::vector<std::byte> right = MakeFrame(shape);
    std::vector<std::byte> frame = right;
    testing::Put16(frame, shape.checksum_at(), 0xdead);
    const auto header = Find(frame);
    ASSERT_TRUE(header.has_value());
    PutPseudoHeaderSum(std::span(frame).first(std::min(frame.size(), kHeaderWindow)), *header);
    const unsigned sum = ~testing::Sum(frame, shape.transport_offset(), frame.size()) & 0xffffU;
    EXPECT_EQ(sum, testing::Get16(right, shape.checksum_at()));
  }
}

// Padding of short frames is not part of the packet.
TEST(FrameHeaders, PaddingDoesNotCount) {
  const FrameShape shape{.transport = Transport::kUdp, .payload = 3};
  std::vector<std::byte> frame = MakeFrame(shape);
  frame.resize(60);
  const auto header = Find(frame);
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(header->length, 11U);
}

TEST(FrameHeaders, AFrameThatEndsAnywhereBeforeItsTransportHeaderHasNone) {
  for (const FrameShape& shape : Shapes()) {
    const std::vector<std::byte> frame = MakeFrame(shape);
    for (std::size_t size = 0; size < shape.headers(); ++size) {
      EXPECT_FALSE(Find({frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(size)}))
          << size << " of " << shape.headers();
    }
    if (shape.payload > 0) {
      EXPECT_FALSE(Find({frame.begin(), frame.end() - 1})) << "IP says that it is longer";
    }
  }
}

TEST(FrameHeaders, WhatIsNotTcpOrUdp) {
  const FrameShape v4{};
  const FrameShape v6{.ip = Ip::kV6, .ip_options = 8};
  const auto with = [](const FrameShape& shape, std::size_t at, unsigned value) {
    std::vector<std::byte> frame = MakeFrame(shape);
    frame.at(at) = static_cast<std::byte>(value);
    return frame;
  };
  EXPECT_FALSE(Find(with(v4, 12, 0x07))) << "another protocol than IP";
  EXPECT_FALSE(Find(with(v4, 14, 0x65))) << "IPv6 in an IPv4 frame";
  EXPECT_FALSE(Find(with(v4, 14, 0x44))) << "a header of 16 bytes";
  EXPECT_FALSE(Find(with(v4, 20, 0x20))) << "more fragments";
  EXPECT_FALSE(Find(with(v4, 21, 0x01))) << "a later fragment";
  EXPECT_FALSE(Find(with(v4, 23, 1))) << "ICMP";
  EXPECT_FALSE(Find(with(v4, 17, 19))) << "a packet shorter than its header";
  EXPECT_FALSE(Find(with(v4, 46, 0x40))) << "a TCP header of 16 bytes";
  EXPECT_FALSE(Find(with(v4, 46, 0xf0)).has_value() &&
               Find(with(v4, 46, 0xf0))->headers_bytes > MakeFrame(v4).size());
  EXPECT_FALSE(Find(with(v6, 14, 0x45)));
  EXPECT_FALSE(Find(with(v6, 20, 44))) << "a fragment header";
  EXPECT_FALSE(Find(with(v6, 20, 59))) << "nothing follows";
  EXPECT_FALSE(Find(with(v6, 55, 0xff))) << "an extension header longer than the packet";
}

// Whatever bytes there are, what is found lies within them.
TEST(FrameHeaders, RandomChangesNeverLeaveTheFrame) {
  std::mt19937 generator(3);
  for (const FrameShape& shape : Shapes()) {
    for (int round = 0; round < 50; ++round) {
      std::vector<std::byte> frame = MakeFrame(shape);
      for (unsigned changes = 1 + generator() % 4; changes > 0; --changes) {
        frame[12 + generator() % (shape.headers() - 12)] = static_cast<std::byte>(generator());
      }
      const std::size_t window = std::min(frame.size(), kHeaderWindow);
      if (const auto header = Find(frame)) {
        ASSERT_LE(header->headers_bytes, frame.size());
        ASSERT_LE(header->offset + header->length, frame.size());
        PutPseudoHeaderSum(std::span(frame).first(window), *header);
      }
    }
  }
}

}  // namespace
}  // namespace veneer
