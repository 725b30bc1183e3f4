// What libslirp gets to see of a guest that floods it.
#include "src/host/net/slirp_guard.h"

#include <gmock/gmock.h>

#include "support/units.h"
#include "user_fixture.h"

namespace veneer {
namespace {

using testing::Frame;
using testing::HostSocket;
using testing::UserNic;

Frame Fragment(std::size_t size, unsigned offset_field) {
  Frame frame = testing::Ipv4Frame(testing::kUdp, testing::kGuestIp, testing::kHostIp, size)
                    .Zeros(size)
                    .frame();
  testing::Set16(frame, testing::kIpHeader + 6, offset_field);
  return frame;
}

Frame Tcp(unsigned flags) {
  return testing::Ipv4Frame(testing::kTcp, testing::kGuestIp, testing::kHostIp, 20)
      .Zeros(12)
      .U16(5U << 12U | flags)
      .Zeros(6)
      .frame();
}

TEST(SlirpGuard, FragmentsAreRationed) {
  for (const unsigned field : {0x2000U, 0x2001U, 0x0001U}) {
    SlirpGuard guard;
    std::size_t admitted = 0;
    for (int i = 0; i < 10'000; ++i) {
      admitted += guard.Admits(Fragment(16, field), 0, kSecond) ? 1 : 0;
    }
    EXPECT_GT(admitted, 5U);
    EXPECT_LE(admitted, SlirpGuard::kFragmentRate / SlirpGuard::kLeastFragment / 5);
    EXPECT_TRUE(guard.Admits(Fragment(16, field), 0, 10 * kSecond)) << "later there is room again";
  }
}

TEST(SlirpGuard, WholePacketsAreNot) {
  SlirpGuard guard;
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_TRUE(guard.Admits(Fragment(16, 0x4000), 0, kSecond));
  }
}

TEST(SlirpGuard, WithManySocketsOnlyWhatOpensNone) {
  constexpr std::size_t kFull = SlirpGuard::kMaxSockets;
  SlirpGuard guard;
  const Frame arp = testing::ArpFrame(1, testing::kGuestIp, testing::kHostIp);
  for (const std::size_t sockets : {kFull, kFull + 100}) {
    EXPECT_FALSE(guard.Admits(testing::PingFrame(testing::kHostIp), sockets, kSecond));
    EXPECT_FALSE(guard.Admits(Tcp(2), sockets, kSecond));
    EXPECT_FALSE(guard.Admits(Tcp(2 | 16), sockets, kSecond));
    EXPECT_TRUE(guard.Admits(Tcp(16), sockets, kSecond));
    EXPECT_TRUE(guard.Admits(arp, sockets, kSecond));
  }
  EXPECT_TRUE(guard.Admits(Tcp(2), kFull - 1, kSecond));
}

TEST(SlirpGuard, ShortFramesAreReadToTheirEndOnly) {
  SlirpGuard guard;
  const Frame whole = Tcp(16);
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    const Frame part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    static_cast<void>(guard.Admits(part, SlirpGuard::kMaxSockets, kSecond));
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
