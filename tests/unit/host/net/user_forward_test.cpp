// Ports of the host's that lead into a user-mode network.
#include <gmock/gmock.h>

#include "user_fixture.h"

namespace veneer {
namespace {

using testing::At16;
using testing::Frame;
using ::testing::HasSubstr;
using testing::HostSocket;
using testing::TinyTcp;
using testing::UserNic;

// One that nobody has at the moment.
std::uint16_t FreePort(int type) { return HostSocket::Bound(type).port(); }

std::string Forward(const char* protocol, std::uint16_t port, const char* guest_port) {
  return fmt::format(",hostfwd={}::{}-:{}", protocol, port, guest_port);
}

TEST(UserForward, AConnectionReachesTheGuest) {
  const std::uint16_t port = FreePort(SOCK_STREAM);
  UserNic nic(Forward("tcp", port, "80"));
  constexpr std::uint64_t kBytes = 1U << 20U;
  HostSocket client = HostSocket::Connected(SOCK_STREAM, port);
  TinyTcp guest(80, 0);
  guest.Send(kBytes);
  nic.pump.Serve(guest);
  std::thread host([&] {
    EXPECT_TRUE(testing::WritePattern(client.fd(), 100));
    EXPECT_TRUE(testing::ReadPattern(client.fd(), kBytes));
    client.Close();
  });
  EXPECT_TRUE(nic.pump.Until([&] { return guest.peer_finished() || guest.reset(); }));
  host.join();
  EXPECT_EQ(guest.received(), 100U);
  EXPECT_TRUE(guest.intact());
  EXPECT_EQ(guest.acknowledged(), kBytes);
}

TEST(UserForward, ADatagramReachesARestrictedGuest) {
  const std::uint16_t port = FreePort(SOCK_DGRAM);
  UserNic nic(Forward("udp", port, "53") + ",restrict=on");
  const HostSocket client = HostSocket::Connected(SOCK_DGRAM, port);
  ASSERT_EQ(send(client.fd(), "hello", 5, 0), 5);
  const Frame frame = nic.pump.WaitFor([](const Frame& one) {
    return testing::IsIpv4(one, testing::kUdp) && At16(one, testing::kL4Header + 2) == 53;
  });
  EXPECT_EQ(testing::UdpPayload(frame).size(), 5U);
}

TEST(UserForward, APortInUseIsNamed) {
  for (const auto& [protocol, type] : {std::pair{"tcp", SOCK_STREAM}, {"udp", SOCK_DGRAM}}) {
    const HostSocket other = HostSocket::Bound(type);
    const auto link = OpenNetLink(ParseNet("user" + Forward(protocol, other.port(), "80")).value());
    ASSERT_FALSE(link.has_value());
    EXPECT_EQ(link.error().kind, ErrorKind::kUsage);
    EXPECT_THAT(link.error().message,
                HasSubstr(fmt::format("port {} of 127.0.0.1 is in use already", other.port())));
  }
}

TEST(UserForward, ThePortIsFreeAgainAfterwards) {
  const std::uint16_t port = FreePort(SOCK_STREAM);
  for (int round = 0; round < 3; ++round) {
    const auto link = OpenNetLink(ParseNet("user" + Forward("tcp", port, "80")).value());
    ASSERT_TRUE(link.has_value()) << link.error().message;
  }
}

TEST(UserForward, AnAddressThatIsNotTheHostsIsSaidToBe) {
  const auto link = OpenNetLink(ParseNet("user,hostfwd=tcp:192.0.2.1:8080-:80").value());
  ASSERT_FALSE(link.has_value());
  EXPECT_THAT(link.error().message, HasSubstr("cannot listen at TCP port 8080 of 192.0.2.1"));
}

}  // namespace
}  // namespace veneer
