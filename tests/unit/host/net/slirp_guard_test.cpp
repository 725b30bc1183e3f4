// What libslirp gets to see of a guest that floods it.
#include "src/host/net/slirp_guard.h"

#include <gmock/gmock.h>

#include "user_fixture.h"

namespace veneer {
namespace {

using testing::Frame;
using testing::HostSocket;
using testing::UserNic;

Frame Tcp(unsigned flags) {
  return testing::Ipv4Frame(testing::kTcp, testing::kGuestIp, testing::kHostIp, 20)
      .Zeros(12)
      .U16(5U << 12U | flags)
      .Zeros(6)
      .frame();
}

TEST(SlirpGuard, WithManySocketsOnlyWhatOpensNone) {
  constexpr std::size_t kFull = SlirpGuard::kMaxSockets;
  const Frame arp = testing::ArpFrame(1, testing::kGuestIp, testing::kHostIp);
  for (const std::size_t sockets : {kFull, kFull + 100}) {
    EXPECT_FALSE(SlirpGuard::Admits(testing::PingFrame(testing::kHostIp), sockets, kFull));
    EXPECT_FALSE(SlirpGuard::Admits(Tcp(2), sockets, kFull));
    EXPECT_FALSE(SlirpGuard::Admits(Tcp(2 | 16), sockets, kFull));
    EXPECT_TRUE(SlirpGuard::Admits(Tcp(16), sockets, kFull));
    EXPECT_TRUE(SlirpGuard::Admits(arp, sockets, kFull));
  }
  EXPECT_TRUE(SlirpGuard::Admits(Tcp(2), kFull - 1, kFull));
}

TEST(SlirpGuard, AProcessWithFewFilesHasFewSockets) {
  EXPECT_EQ(SlirpGuard::MaxSockets(1'048'576), SlirpGuard::kMaxSockets);
  EXPECT_EQ(SlirpGuard::MaxSockets(1024), 256U);
  EXPECT_EQ(SlirpGuard::MaxSockets(0), 16U);
}

TEST(SlirpGuard, ShortFramesAreReadToTheirEndOnly) {
  const Frame whole = Tcp(16);
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    const Frame part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    static_cast<void>(SlirpGuard::Admits(part, 1, 1));
  }
}

TEST(SlirpGuard, AGuestThatOpensSocketAfterSocketGetsSoMany) {
  UserNic nic;
  const HostSocket server = HostSocket::Bound(SOCK_DGRAM);
  constexpr unsigned kMany = 2 * SlirpGuard::kMaxSockets;
  for (unsigned i = 0; i < kMany; ++i) {
    nic.pump.Send(testing::UdpFrame(testing::kGuestIp, static_cast<std::uint16_t>(1000 + i),
                                    testing::kHostIp, server.port(), Frame(1)),
                  testing::PartialChecksum(testing::kUdpChecksum));
    nic.pump.MoveFrames();
  }
  unsigned arrived = 0;
  char byte = 0;
  while (recv(server.fd(), &byte, 1, MSG_DONTWAIT) == 1) {
    ++arrived;
  }
  EXPECT_GE(arrived, 100U);
  EXPECT_LE(arrived, SlirpGuard::kMaxSockets);
}

}  // namespace
}  // namespace veneer
