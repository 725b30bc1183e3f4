// PV NICs as Linux's own netfront uses them, on user-mode networks.
#include <sys/socket.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/controlled_guest.h"
#include "support/host_sockets.h"

namespace veneer::test {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using testing::HostSocket;

// A megabyte that no compression or repetition hides an error in, and its digest.
struct Document {
  explicit Document(const std::string& path) {
    std::uint32_t value = 1;
    for (std::size_t i = 0; i < std::size_t{1} << 20U; ++i) {
      value = value * 1664525 + 1013904223;
      bytes.push_back(static_cast<char>(value >> 24U));
    }
    std::ofstream(path, std::ios::binary) << bytes;
    digest = RunToolFor({"/usr/bin/sha256sum", path}).out.substr(0, 64);
  }
  std::string bytes;
  std::string digest;
};

// Answers one HTTP request with it.
void ServeOnce(const HostSocket& server, const Document& document) {
  const HostSocket client = server.Accept();
  std::string request;
  char piece[1024];
  while (request.find("\r\n\r\n") == std::string::npos) {
    const ssize_t count = recv(client.fd(), piece, sizeof piece, 0);
    ASSERT_GT(count, 0);
    request.append(piece, static_cast<std::size_t>(count));
  }
  const std::string reply =
      "HTTP/1.0 200 OK\r\nContent-Length: " + std::to_string(document.bytes.size()) + "\r\n\r\n" +
      document.bytes;
  for (std::size_t sent = 0; sent < reply.size();) {
    const ssize_t count = send(client.fd(), reply.data() + sent, reply.size() - sent, MSG_NOSIGNAL);
    ASSERT_GT(count, 0);
    sent += static_cast<std::size_t>(count);
  }
}

// What a server behind a forwarded port says to `text`. Until one listens there, connections end
// without a word.
std::string AskForwarded(std::uint16_t port, const std::string& text) {
  const auto deadline = std::chrono::steady_clock::now() + kToolLimit;
  char answer[64] = {};
  while (std::chrono::steady_clock::now() < deadline) {
    const HostSocket client = HostSocket::Connected(SOCK_STREAM, port);
    if (send(client.fd(), text.data(), text.size(), MSG_NOSIGNAL) > 0 &&
        recv(client.fd(), answer, sizeof answer - 1, 0) > 0) {
      break;
    }
  }
  return answer;
}

nlohmann::json NicInfo(const ControlledGuest& guest, unsigned number) {
  const nlohmann::json info = guest.Info();
  for (const nlohmann::json& nic : info["nics"]) {
    if (nic["number"] == number) {
      return nic;
    }
  }
  return nullptr;
}

// One boot for all of it: boots are slow where guest kernels are interpreted.
TEST(Net, AGuestIsOnAUserModeNetworkAndNicsComeAndGo) {
  const ScratchDirectory scratch;
  const Document document(scratch.File("document"));
  const std::uint16_t port = HostSocket::Bound(SOCK_STREAM).port();
  const std::string capture = scratch.File("net.pcap");
  ControlledGuest guest({"--net", "user,mac=52:54:00:12:34:56,hostfwd=tcp::" +
                                      std::to_string(port) + "-:7000,pcap=" + capture});
  ASSERT_TRUE(guest.WaitForShell()) << guest.veneer().err();

  EXPECT_THAT(guest.Run("cat /sys/class/net/eth0/address; udhcpc -n -q -i eth0"),
              AllOf(HasSubstr("52:54:00:12:34:56"),
                    HasSubstr("dhcp: eth0 10.0.2.15/24 router 10.0.2.2 dns 10.0.2.3")));
  EXPECT_THAT(guest.Run("ping -c 3 10.0.2.2"), HasSubstr("3 packets received"));
  const nlohmann::json nic = NicInfo(guest, 0);
  EXPECT_EQ(nic["mac"], "52:54:00:12:34:56");
  EXPECT_EQ(nic["link"], "user");
  EXPECT_EQ(nic["connected"], true);

  // Down: from a server of the host's.
  const HostSocket server = HostSocket::Bound(SOCK_STREAM);
  std::thread serving([&] { ServeOnce(server, document); });
  EXPECT_THAT(guest.Run("wget -q -O /tmp/f http://10.0.2.2:" + std::to_string(server.port()) +
                        "/ && sha256sum /tmp/f"),
              HasSubstr(document.digest + "  /tmp/f"));
  // A guest that never came leaves the server waiting; it ends here in any case.
  shutdown(server.fd(), SHUT_RDWR);
  serving.join();

  // In: through the forwarded port.
  guest.Run("{ echo from-guest | nc -l -p 7000 >/tmp/in & }");
  EXPECT_EQ(AskForwarded(port, "from-host\n"), "from-guest\n");
  EXPECT_THAT(guest.Run("until grep from-host /tmp/in; do usleep 100000; done"),
              HasSubstr("from-host"));

  // The driver lets go of the NIC and takes it again, frames under way or not.
  for (const char* load : {"", "ping -f -c 100000 10.0.2.2 >/dev/null 2>&1 & "}) {
    EXPECT_THAT(guest.Run(std::string(load) +
                          "cd /sys/bus/xen/drivers/vif; echo vif-0 >unbind && echo vif-0 >bind; "
                          "cd /; for i in $(seq 300); do [ -d /sys/class/net/eth0 ] && break; "
                          "usleep 100000; done; kill $! 2>/dev/null; "
                          "udhcpc -n -q -i eth0; ping -c 1 10.0.2.2"),
                HasSubstr("1 packets received"))
        << load;
  }

  // A second NIC, used and taken away again.
  const auto added = guest.Ctl({"net-add", "user,net=10.0.3.0/24"});
  EXPECT_EQ(added.code, 0) << added.err;
  EXPECT_EQ(added.out, "1\n");
  EXPECT_THAT(guest.Run("until [ -d /sys/class/net/eth1 ]; do usleep 100000; done; "
                        "udhcpc -n -q -i eth1; ping -c 1 10.0.3.2"),
              AllOf(HasSubstr("dhcp: eth1 10.0.3.15/24"), HasSubstr("1 packets received")));
  EXPECT_EQ(NicInfo(guest, 1)["connected"], true);
  const auto removed = guest.Ctl({"net-remove", "1"});
  EXPECT_EQ(removed.code, 0) << removed.err;
  guest.Run("while [ -d /sys/class/net/eth1 ]; do usleep 100000; done");
  EXPECT_TRUE(NicInfo(guest, 1).is_null());
  EXPECT_THAT(guest.Run("ping -c 1 10.0.2.2"), HasSubstr("1 packets received"))
      << "the first is still there";
  EXPECT_GT(std::filesystem::file_size(capture), document.bytes.size());

  // After a reboot there is the one NIC, with the same address and the port forwarded again.
  const std::size_t rebooted = guest.veneer().out().size();
  guest.veneer().Send("reboot -f\n");
  ASSERT_TRUE(guest.veneer().WaitForOutput("Linux version", BootLimit(), rebooted));
  ASSERT_TRUE(guest.WaitForShell(guest.veneer().out().rfind("Linux version")));
  EXPECT_THAT(guest.Run("ls /sys/class/net; cat /sys/class/net/eth0/address; "
                        "udhcpc -n -q -i eth0"),
              AllOf(ContainsRegex("52:54:00:12:34:56"), HasSubstr("dhcp: eth0 10.0.2.15/24"),
                    ::testing::Not(HasSubstr("eth1"))));
  EXPECT_EQ(guest.Ctl({"stop"}).code, 0);
  EXPECT_EQ(guest.veneer().WaitForExit(kToolLimit), 0) << guest.veneer().err();
}

// A port that is taken ends the start with one sentence.
TEST(Net, APortInUseIsNamed) {
  const HostSocket other = HostSocket::Bound(SOCK_STREAM);
  ChildProcess veneer(RunCommand(Needed("VENEER_TEST_KERNEL"), "",
                                 {"--control-socket", "off", "--net",
                                  "user,hostfwd=tcp::" + std::to_string(other.port()) + "-:80"}));
  veneer.CloseInput();
  EXPECT_EQ(veneer.WaitForExit(kToolLimit), 2);
  EXPECT_THAT(veneer.err(), HasSubstr("port " + std::to_string(other.port()) +
                                      " of 127.0.0.1 is in use already"));
}

}  // namespace
}  // namespace veneer::test
