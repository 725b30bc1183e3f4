// The only thing that is looked at in a guest's frame, wherever the guest says that it is.
#include "src/host/net/plain_frame.h"

#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

namespace veneer {
namespace {

std::vector<std::byte> Bytes(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::byte>(i * 37 + i / 251);
  }
  return bytes;
}

// The plain way (RFC 1071): big-endian words, one by one.
std::uint16_t WordSum(std::span<const std::byte> bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    sum += std::to_integer<std::uint32_t>(bytes[i]) << (i % 2 == 0 ? 8U : 0U);
    sum = (sum & 0xffffU) + (sum >> 16U);
  }
  return static_cast<std::uint16_t>(sum);
}

virtio_net_hdr NeedsChecksum(std::uint16_t start, std::uint16_t offset) {
  virtio_net_hdr header{};
  header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
  header.csum_start = start;
  header.csum_offset = offset;
  return header;
}

std::vector<iovec> Pieces(std::vector<std::byte>& bytes, std::size_t piece) {
  std::vector<iovec> pieces;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    pieces.push_back({bytes.data() + at, std::min(piece, bytes.size() - at)});
  }
  return pieces;
}

std::vector<std::byte> room(kMaxFrame);

TEST(PlainFrame, TheChecksumMakesTheSumAllOnes) {
  for (const std::size_t size : {60UL, 61UL, 62UL, 1514UL, 65534UL, kMaxFrame}) {
    for (const std::uint16_t start : std::initializer_list<std::uint16_t>{14, 34, 35, 54}) {
      auto bytes = Bytes(size);
      const auto frame = TakePlainFrame(NeedsChecksum(start, 2), Pieces(bytes, 1448), room);
      ASSERT_TRUE(frame.has_value());
      // The sum with the checksum in its place: with what was there before in it too, so that a
      // pseudo header's sum is covered.
      const std::uint16_t was = WordSum(std::span(bytes).subspan(start + 2U, 2));
      std::uint32_t sum = std::uint32_t{WordSum(frame->subspan(start))} + was;
      sum = (sum & 0xffffU) + (sum >> 16U);
      EXPECT_EQ(sum, 0xffffU) << size << " from " << start;
      // Nothing else has changed.
      std::memcpy(frame->data() + start + 2, bytes.data() + start + 2, 2);
      EXPECT_EQ(std::memcmp(frame->data(), bytes.data(), size), 0);
    }
  }
}

TEST(PlainFrame, AChecksumOfNothingIsNotSaidToBeMissing) {
  std::vector<std::byte> bytes(60);
  bytes[40] = bytes[41] = std::byte{0xff};
  const auto frame = TakePlainFrame(NeedsChecksum(34, 6), Pieces(bytes, 60), room);
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ((*frame)[40], std::byte{0xff});
  EXPECT_EQ((*frame)[41], std::byte{0xff});
}

TEST(PlainFrame, AChecksumOutsideTheFrameIsRefused) {
  auto bytes = Bytes(60);
  const auto pieces = Pieces(bytes, 60);
  EXPECT_TRUE(TakePlainFrame(NeedsChecksum(58, 0), pieces, room).has_value());
  EXPECT_TRUE(TakePlainFrame(NeedsChecksum(0, 58), pieces, room).has_value());
  for (const auto& [start, offset] : {std::pair{59, 0},
                                      {60, 0},
                                      {61, 0},
                                      {65535, 0},
                                      {0, 59},
                                      {58, 1},
                                      {34, 65535},
                                      {65535, 65535},
                                      {65535, 1}}) {
    EXPECT_FALSE(TakePlainFrame(NeedsChecksum(static_cast<std::uint16_t>(start),
                                              static_cast<std::uint16_t>(offset)),
                                pieces, room)
                     .has_value())
        << start << "+" << offset;
  }
}

TEST(PlainFrame, WhatIsNoWholeFrameIsRefused) {
  auto bytes = Bytes(kMaxFrame + 1);
  EXPECT_FALSE(TakePlainFrame({}, Pieces(bytes, 4096), room).has_value());
  EXPECT_FALSE(TakePlainFrame({}, {}, room).has_value());
  bytes.resize(13);
  EXPECT_FALSE(TakePlainFrame({}, Pieces(bytes, 1), room).has_value());
  bytes.resize(14);
  EXPECT_TRUE(TakePlainFrame({}, Pieces(bytes, 1), room).has_value());
  EXPECT_FALSE(TakePlainFrame({}, Pieces(bytes, 1), std::span(room).first(13)).has_value());
  // Lengths whose sum would overflow.
  const iovec endless[] = {{bytes.data(), 14}, {bytes.data(), SIZE_MAX}};
  EXPECT_FALSE(TakePlainFrame({}, endless, room).has_value());
}

TEST(PlainFrame, SegmentsToBeCutAreRefused) {
  auto bytes = Bytes(3000);
  for (const int type : {VIRTIO_NET_HDR_GSO_TCPV4, VIRTIO_NET_HDR_GSO_UDP, VIRTIO_NET_HDR_GSO_TCPV6,
                         VIRTIO_NET_HDR_GSO_ECN, 0xff}) {
    virtio_net_hdr header{};
    header.gso_type = static_cast<std::uint8_t>(type);
    EXPECT_FALSE(TakePlainFrame(header, Pieces(bytes, 3000), room).has_value());
  }
}

TEST(PlainFrame, EmptyPiecesDoNoHarm) {
  auto bytes = Bytes(60);
  const iovec pieces[] = {{nullptr, 0}, {bytes.data(), 30}, {nullptr, 0}, {bytes.data() + 30, 30}};
  const auto frame = TakePlainFrame({}, pieces, room);
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(std::memcmp(frame->data(), bytes.data(), 60), 0);
}

TEST(PutFrame, FillsTheRoomFromItsBeginning) {
  auto bytes = Bytes(100);
  std::vector<std::byte> target(110);
  EXPECT_EQ(PutFrame(bytes, Pieces(target, 7)), 100U);
  EXPECT_EQ(std::memcmp(target.data(), bytes.data(), 100), 0);
  EXPECT_EQ(target[100], std::byte{0});
  target.resize(99);
  EXPECT_EQ(PutFrame(bytes, Pieces(target, 99)), 0U);
}

}  // namespace
}  // namespace veneer
