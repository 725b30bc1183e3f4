// What a guest finds on a user-mode network: addresses, names, the host, and the way out.
#include <algorithm>
#include <random>
#include <utility>

#include <gmock/gmock.h>

#include "user_fixture.h"

namespace veneer {
namespace {

using testing::At16;
using testing::At32;
using testing::At8;
using testing::Frame;
using testing::HostSocket;
using testing::TinyTcp;
using testing::UserNic;

std::span<const std::byte> Text(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

TEST(UserLink, SaysWhatItIs) {
  const NetLink::Facts facts = UserNic().link->facts();
  EXPECT_EQ(facts.name, "user");
  EXPECT_FALSE(facts.offloads);
  EXPECT_EQ(facts.queues, 1U);
  EXPECT_EQ(facts.mtu, 32768U);
  EXPECT_EQ(UserNic(",mtu=1500").link->facts().mtu, 1500U);
  EXPECT_EQ(UserNic(",mtu=65520").link->facts().mtu, 32768U);
}

// Its driver takes no larger frame until the guest tells it to.
TEST(UserLink, AnE1000HasTheUsualMtu) {
  EXPECT_EQ(UserNic(",model=e1000").link->facts().mtu, 1500U);
  EXPECT_EQ(UserNic(",model=both").link->facts().mtu, 1500U);
  EXPECT_EQ(UserNic(",model=e1000,mtu=9000").link->facts().mtu, 9000U);
}

TEST(UserLink, TheHostAnswersArpAndPing) {
  UserNic nic;
  nic.pump.Send(testing::ArpFrame(1, testing::kGuestIp, testing::kHostIp));
  const Frame reply = nic.pump.WaitFor(
      [](const Frame& frame) { return At16(frame, 12) == testing::kArp && At16(frame, 20) == 2; });
  EXPECT_EQ(At32(reply, 28), testing::kHostIp);
  nic.pump.Send(testing::PingFrame(testing::kHostIp));
  const Frame pong =
      nic.pump.WaitFor([](const Frame& frame) { return testing::IsIpv4(frame, testing::kIcmp); });
  EXPECT_EQ(At8(pong, testing::kL4Header), 0U);
  EXPECT_EQ(At16(pong, testing::kL4Header + 4), 7U);
}

TEST(UserLink, DhcpGivesAddressRouterAndNameServer) {
  UserNic nic;
  nic.pump.Send(testing::DhcpFrame(1), testing::PartialChecksum(testing::kUdpChecksum));
  const auto answer = [&](unsigned type) {
    return nic.pump.WaitFor([type](const Frame& frame) {
      return testing::DhcpOption(frame, 53) == std::optional<std::uint32_t>(type);
    });
  };
  const Frame offer = answer(2);
  ASSERT_FALSE(offer.empty());
  EXPECT_EQ(At32(testing::UdpPayload(offer), 16), testing::kGuestIp);
  nic.pump.Send(testing::DhcpFrame(3, testing::kGuestIp),
                testing::PartialChecksum(testing::kUdpChecksum));
  const Frame ack = answer(5);
  EXPECT_EQ(testing::DhcpOption(ack, 3).value_or(0), testing::kHostIp);
  EXPECT_EQ(testing::DhcpOption(ack, 6).value_or(0), testing::kNameServerIp);
  EXPECT_EQ(testing::DhcpOption(ack, 1).value_or(0), 0xffffff00U);
}

TEST(UserLink, AnotherNetworkIsServedToo) {
  UserNic nic(",net=192.168.7.0/24");
  nic.pump.Send(testing::DhcpFrame(1), testing::PartialChecksum(testing::kUdpChecksum));
  const Frame offer = nic.pump.WaitFor(
      [](const Frame& frame) { return testing::DhcpOption(frame, 53).has_value(); });
  EXPECT_EQ(At32(testing::UdpPayload(offer), 16), 0xc0a8070fU);
}

TEST(UserLink, ADatagramAndItsAnswer) {
  UserNic nic;
  const HostSocket server = HostSocket::Bound(SOCK_DGRAM);
  nic.pump.Send(
      testing::UdpFrame(testing::kGuestIp, 4000, testing::kHostIp, server.port(), Text("to host")),
      testing::PartialChecksum(testing::kUdpChecksum));
  ASSERT_TRUE(nic.pump.Until([] { return true; }));
  char buffer[32] = {};
  sockaddr_in from{};
  socklen_t size = sizeof from;
  ASSERT_EQ(
      recvfrom(server.fd(), buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&from), &size),
      7);
  EXPECT_STREQ(buffer, "to host");
  ASSERT_EQ(sendto(server.fd(), "to guest", 8, 0, reinterpret_cast<sockaddr*>(&from), size), 8);
  const Frame answer = nic.pump.WaitFor([](const Frame& frame) {
    return testing::IsIpv4(frame, testing::kUdp) && At16(frame, testing::kL4Header + 2) == 4000;
  });
  EXPECT_THAT(testing::UdpPayload(answer), ::testing::ElementsAreArray(Text("to guest")));
}

// As a guest sends it over an Ethernet, and as it comes back.
TEST(UserLink, TheLargestDatagramAndItsAnswer) {
  constexpr std::size_t kLargest = 65507;
  constexpr std::size_t kPart = 1480;
  UserNic nic(",mtu=1500");
  const HostSocket server = HostSocket::Bound(SOCK_DGRAM);
  Frame payload(kLargest);
  for (std::size_t i = 0; i < payload.size(); ++i) {
    payload[i] = static_cast<std::byte>(i / 3);
  }
  const Frame whole =
      testing::UdpFrame(testing::kGuestIp, 4000, testing::kHostIp, server.port(), payload);
  const std::span<const std::byte> datagram = std::span(whole).subspan(testing::kL4Header);
  std::vector<std::byte> buffer(kLargest + 1);
  for (unsigned round = 1; round <= 20; ++round) {
    for (std::size_t at = 0; at < datagram.size(); at += kPart) {
      const std::size_t bytes = std::min(kPart, datagram.size() - at);
      Frame part =
          testing::Ipv4Frame(testing::kUdp, testing::kGuestIp, testing::kHostIp, bytes).frame();
      part.insert(part.end(), datagram.begin() + static_cast<long>(at),
                  datagram.begin() + static_cast<long>(at + bytes));
      if (at == 0) {
        testing::Set16(part, testing::kL4Header + testing::kUdpChecksum, 0);  // there is none
      }
      testing::Set16(part, testing::kIpHeader + 4, round);
      testing::Set16(part, testing::kIpHeader + 6,
                     static_cast<unsigned>(at / 8) | (at + bytes < datagram.size() ? 0x2000U : 0U));
      ASSERT_EQ(nic.pump.Send(part), NetSent::kSent);
    }
    sockaddr_in from{};
    socklen_t size = sizeof from;
    ASSERT_EQ(recvfrom(server.fd(), buffer.data(), buffer.size(), 0,
                       reinterpret_cast<sockaddr*>(&from), &size),
              static_cast<ssize_t>(kLargest));
    ASSERT_TRUE(std::equal(payload.begin(), payload.end(), buffer.begin()));
    ASSERT_EQ(
        sendto(server.fd(), payload.data(), kLargest, 0, reinterpret_cast<sockaddr*>(&from), size),
        static_cast<ssize_t>(kLargest));
    std::size_t back = 0;
    ASSERT_TRUE(nic.pump.Until([&] {
      for (const Frame& frame : std::exchange(nic.pump.frames, {})) {
        back += testing::IsIpv4(frame, testing::kUdp) ? frame.size() - testing::kL4Header : 0;
      }
      return back >= kLargest + 8;
    })) << round;
    EXPECT_EQ(back, kLargest + 8);
  }
}

// With these options, nothing that the guest sends to its host gets there.
void ExpectNothingReachesTheHost(const std::string& options) {
  UserNic nic(options);
  const HostSocket server = HostSocket::Bound(SOCK_DGRAM);
  nic.pump.Send(
      testing::UdpFrame(testing::kGuestIp, 4000, testing::kHostIp, server.port(), Text("x")),
      testing::PartialChecksum(testing::kUdpChecksum));
  // What has been handed over before this answer comes has been dealt with.
  nic.pump.Send(testing::ArpFrame(1, testing::kGuestIp, testing::kHostIp));
  EXPECT_FALSE(nic.pump.WaitFor([](const Frame& frame) { return At16(frame, 12) == testing::kArp; })
                   .empty());
  char buffer = 0;
  EXPECT_EQ(recv(server.fd(), &buffer, 1, MSG_DONTWAIT), -1);
}

TEST(UserLink, TheHostsLoopbackCanBeClosed) { ExpectNothingReachesTheHost(",host-loopback=off"); }

TEST(UserLink, AnotherNameServerIsToldByDhcp) {
  UserNic nic(",dns=9.9.9.9");
  nic.pump.Send(testing::DhcpFrame(1), testing::PartialChecksum(testing::kUdpChecksum));
  const Frame offer = nic.pump.WaitFor(
      [](const Frame& frame) { return testing::DhcpOption(frame, 53).has_value(); });
  EXPECT_EQ(testing::DhcpOption(offer, 6).value_or(0), 0x09090909U);
}

TEST(UserLink, ADatagramWithAWrongChecksumGoesNowhere) {
  UserNic nic;
  const HostSocket server = HostSocket::Bound(SOCK_DGRAM);
  const Frame frame =
      testing::UdpFrame(testing::kGuestIp, 4000, testing::kHostIp, server.port(), Text("bad"));
  nic.pump.Send(frame);  // its checksum covers the pseudo header only, and nothing says so
  nic.pump.Send(
      testing::UdpFrame(testing::kGuestIp, 4000, testing::kHostIp, server.port(), Text("good")),
      testing::PartialChecksum(testing::kUdpChecksum));
  char buffer[32] = {};
  ASSERT_EQ(recv(server.fd(), buffer, sizeof buffer, 0), 4);
  EXPECT_STREQ(buffer, "good");
}

// Both ways at once, and to the end.
void Transfer(const std::string& options, std::uint32_t mtu, std::uint64_t bytes) {
  UserNic nic(options);
  const HostSocket server = HostSocket::Bound(SOCK_STREAM);
  bool host_read = false;
  std::thread host([&] {
    HostSocket connection = server.Accept();
    std::thread writer([&] { EXPECT_TRUE(testing::WritePattern(connection.fd(), bytes)); });
    host_read = testing::ReadPattern(connection.fd(), bytes);
    writer.join();
    char more = 0;
    EXPECT_EQ(read(connection.fd(), &more, 1), 0) << "the guest has finished";
  });
  TinyTcp guest(5000, server.port(), mtu);
  guest.Send(bytes);
  guest.Finish();
  nic.pump.Serve(guest);
  EXPECT_TRUE(nic.pump.Until([&] { return guest.peer_finished() || guest.reset(); }));
  host.join();
  EXPECT_TRUE(host_read);
  EXPECT_FALSE(guest.reset());
  EXPECT_TRUE(guest.intact());
  EXPECT_EQ(guest.received(), bytes);
  EXPECT_EQ(guest.acknowledged(), bytes);
}

TEST(UserLink, AStreamWithSmallFrames) { Transfer("", 1500, 2U << 20U); }

TEST(UserLink, AStreamWithTheLargestFrames) { Transfer(",mtu=65520", 65520, 32U << 20U); }

TEST(UserLink, ARestrictedGuestDoesNotReachTheHost) { ExpectNothingReachesTheHost(",restrict=on"); }

TEST(UserLink, IPv6IsAnnounced) {
  UserNic nic;
  // A router solicitation.
  testing::FrameWriter writer;
  writer.Put(std::array<std::uint8_t, 6>{0x33, 0x33, 0, 0, 0, 2}).Put(testing::kGuestMac);
  writer.U16(testing::kIpv6).U32(0x60000000).U16(8).U8(testing::kIcmp6).U8(255);
  writer.U32(0xfe800000).Zeros(11).U8(1).U32(0xff020000).Zeros(11).U8(2);
  writer.U8(133).U8(0).U16(0).U32(0);
  Frame& frame = writer.frame();
  const std::uint32_t sum = testing::WordSum(std::span(frame).subspan(22), testing::kIcmp6 + 8);
  testing::Set16(frame, 54 + 2, ~sum & 0xffffU);
  nic.pump.Send(frame);
  const Frame advert = nic.pump.WaitFor(
      [](const Frame& one) { return At16(one, 12) == testing::kIpv6 && At8(one, 54) == 134; });
  EXPECT_FALSE(advert.empty());
}

TEST(UserLink, ALaterChannelGoesOnWhereTheFirstEnded) {
  UserNic nic;
  nic.channel.reset();
  nic.channel = nic.link->OpenChannel(0).value();
  testing::ChannelPump pump(*nic.channel);
  pump.Send(testing::PingFrame(testing::kHostIp));
  EXPECT_FALSE(
      pump.WaitFor([](const Frame& frame) { return testing::IsIpv4(frame, testing::kIcmp); })
          .empty());
}

TEST(UserLink, AGuestThatTakesNothingFillsABoundedQueue) {
  UserNic nic;
  // So that the host knows where to send its answers.
  nic.pump.Send(testing::ArpFrame(1, testing::kGuestIp, testing::kHostIp));
  const Frame ping = testing::PingFrame(testing::kHostIp);
  constexpr std::size_t kMany = 100'000;
  for (std::size_t i = 0; i < kMany; ++i) {
    ASSERT_EQ(nic.pump.Send(ping), NetSent::kSent);
  }
  std::vector<std::byte> room(kMaxFrame);
  const iovec piece{room.data(), room.size()};
  virtio_net_hdr header{};
  std::size_t answers = 0;
  while (nic.channel->Receive(header, std::span(&piece, 1))) {
    ++answers;
  }
  EXPECT_GT(answers, 1000U);
  EXPECT_LT(answers, 10'000U);
}

TEST(UserLink, AFrameWithoutRoomIsDroppedAndSaidToBe) {
  UserNic nic;
  nic.pump.Send(testing::PingFrame(testing::kHostIp));
  nic.pump.Send(testing::ArpFrame(1, testing::kGuestIp, testing::kHostIp));
  std::array<std::byte, 20> small{};
  const iovec piece{small.data(), small.size()};
  virtio_net_hdr header{};
  EXPECT_EQ(nic.channel->Receive(header, std::span(&piece, 1)), std::optional<std::size_t>(0));
}

TEST(UserLink, NoFrameDoesHarm) {
  UserNic nic;
  std::mt19937 random(7);
  for (int i = 0; i < 20'000; ++i) {
    Frame frame = i % 3 == 0   ? testing::PingFrame(testing::kHostIp)
                  : i % 3 == 1 ? testing::DhcpFrame(1)
                               : testing::UdpFrame(testing::kGuestIp, 1, testing::kNameServerIp, 69,
                                                   Text("tftp?"));
    for (int flips = 0; flips < 6; ++flips) {
      frame[random() % frame.size()] = static_cast<std::byte>(random());
    }
    frame.resize(14 + random() % frame.size());
    virtio_net_hdr header{};
    header.flags = static_cast<std::uint8_t>(random() % 2);
    header.csum_start = static_cast<std::uint16_t>(random() % 80);
    header.csum_offset = static_cast<std::uint16_t>(random() % 80);
    static_cast<void>(nic.pump.Send(frame, header));
    if (i % 64 == 0) {
      nic.pump.MoveFrames();
    }
  }
  nic.pump.frames.clear();
  nic.pump.Send(testing::PingFrame(testing::kHostIp));
  EXPECT_FALSE(
      nic.pump.WaitFor([](const Frame& frame) { return testing::IsIpv4(frame, testing::kIcmp); })
          .empty());
}

}  // namespace
}  // namespace veneer
