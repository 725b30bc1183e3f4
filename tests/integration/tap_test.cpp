// PV NICs on a tap as Linux's own netfront uses them, with a network namespace of its own at the
// tap's other end.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/controlled_guest.h"

namespace veneer::test {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

// A network namespace, gone with this object.
class PeerNetwork {
 public:
  PeerNetwork() { EXPECT_EQ(RunTool({"/sbin/ip", "netns", "add", name_}), 0); }
  PeerNetwork(const PeerNetwork&) = delete;
  PeerNetwork& operator=(const PeerNetwork&) = delete;
  ~PeerNetwork() { RunTool({"/sbin/ip", "netns", "delete", name_}); }

  // For --net script=: moves the tap here and gives it addresses.
  std::string Script(const ScratchDirectory& scratch) const {
    std::string path = scratch.File("up");
    std::ofstream(path) << "#!/bin/sh -e\n"
                        << "ip link set \"$1\" netns " << name_ << "\n"
                        << "ip -n " << name_ << " link set \"$1\" name peer up\n"
                        << "ip -n " << name_ << " addr add 10.77.0.1/24 dev peer\n"
                        << "ip -n " << name_ << " addr add fd77::1/64 dev peer nodad\n"
                        << "ip -n " << name_ << " link add link peer name peer.5 type vlan id 5\n"
                        << "ip -n " << name_ << " addr add 10.78.0.1/24 dev peer.5\n"
                        << "ip -n " << name_ << " link set peer.5 up\n";
    chmod(path.c_str(), 0700);
    return path;
  }
  std::vector<std::string> Command(std::vector<std::string> words) const {
    words.insert(words.begin(), {"/sbin/ip", "netns", "exec", name_});
    return words;
  }
  ToolOutcome Run(const std::vector<std::string>& words) const {
    return RunToolFor(Command(words));
  }

 private:
  const std::string name_ = "veneer-test-" + std::to_string(getpid());
};

std::string Sha256(const std::string& path) {
  return RunToolFor({"/usr/bin/sha256sum", path}).out.substr(0, 64);
}

TEST(Tap, APeerInAnotherNamespace) {
  ASSERT_EQ(geteuid(), 0U) << "taps and namespaces need root";
  const ScratchDirectory scratch;
  const PeerNetwork peer;
  const std::string pcap = scratch.File("all.pcap");
  ControlledGuest guest({"--cpus", "2", "--net",
                         "tap,queues=2,mtu=9000,pcap=" + pcap + ",script=" + peer.Script(scratch)},
                        "VENEER_TEST_NET_INITRD");
  ASSERT_TRUE(guest.WaitForShell()) << guest.veneer().err();

  EXPECT_THAT(
      guest.Run("ip addr add 10.77.0.2/24 dev eth0 && ip link set eth0 mtu 9000 up && "
                "ip addr add fd77::2/64 dev eth0; ls /sys/class/net/eth0/queues; "
                "cat /proc/interrupts; ethtool -i eth0"),
      AllOf(HasSubstr("tx-1"), HasSubstr("rx-1"), HasSubstr("q1-rx"), HasSubstr("driver: vif")));

  // Both ways, both versions, and packets as large as the interfaces take unfragmented.
  EXPECT_THAT(guest.Run("ping -c 2 10.77.0.1; ping -6 -c 2 fd77::1; ping -c 1 -s 65000 10.77.0.1"),
              AllOf(ContainsRegex("2 packets received.*\n.*\n.*\n.*\n.*\n.*2 packets received"),
                    ContainsRegex("1 packets received"), Not(HasSubstr("100% packet loss"))));
  EXPECT_EQ(peer.Run({"ping", "-c", "2", "-M", "do", "-s", "8972", "10.77.0.2"}).code, 0);
  EXPECT_EQ(peer.Run({"ping", "-c", "2", "-M", "do", "-s", "8952", "fd77::2"}).code, 0);

  // A megabyte each way arrives as it was sent.
  const std::string sent = scratch.File("sent");
  ASSERT_EQ(RunTool({"/bin/dd", "if=/dev/urandom", "of=" + sent, "bs=64k", "count=16"}), 0);
  ChildProcess to_guest(peer.Command(
      {"/bin/sh", "-c", "until busybox nc -w 20 10.77.0.2 5000 < " + sent + "; do :; done"}));
  EXPECT_THAT(guest.Run("nc -l -p 5000 > /tmp/f; sha256sum /tmp/f"), HasSubstr(Sha256(sent)));
  EXPECT_EQ(to_guest.WaitForExit(kToolLimit), 0);
  const std::string received = scratch.File("received");
  ChildProcess from_guest(peer.Command({"/bin/sh", "-c", "busybox nc -l -p 5001 > " + received}));
  guest.Run("until nc -w 20 10.77.0.1 5001 < /tmp/f; do usleep 100000; done");
  EXPECT_EQ(from_guest.WaitForExit(kToolLimit), 0);
  EXPECT_EQ(Sha256(received), Sha256(sent));

  // On a VLAN of the tap's, whose frames the host hands over with checksums that are not complete
  // and TCP that is not cut, although netfront takes neither with a tag.
  guest.Run("vconfig add eth0 5; ifconfig eth0.5 10.78.0.2 netmask 255.255.255.0 up");
  EXPECT_EQ(peer.Run({"ping", "-c", "1", "-w", "20", "10.78.0.2"}).code, 0);
  ChildProcess tagged(peer.Command(
      {"/bin/sh", "-c", "until busybox nc -w 20 10.78.0.2 5002 < " + sent + "; do :; done"}));
  EXPECT_THAT(guest.Run("nc -l -p 5002 > /tmp/v; sha256sum /tmp/v"), HasSubstr(Sha256(sent)));
  EXPECT_EQ(tagged.WaitForExit(kToolLimit), 0);

  // With a real tool, uncut TCP and cut, and UDP datagrams of many fragments.
  ChildProcess server(peer.Command({"/usr/bin/iperf3", "-s", "--forceflush"}));
  ASSERT_TRUE(server.WaitForOutput("Server listening", kToolLimit));
  const std::string client = "iperf3 -c 10.77.0.1 -t 2 -f m";
  EXPECT_THAT(guest.Run(client), AllOf(ContainsRegex("receiver"), Not(HasSubstr("error"))));
  EXPECT_THAT(guest.Run(client + " -R"), AllOf(ContainsRegex("receiver"), Not(HasSubstr("error"))));
  EXPECT_THAT(guest.Run(client + " -u -l 65000 -b 2M"), ContainsRegex("\\(0%\\) +receiver"));
  // Datagrams on the VLAN. A busy guest's socket may lose some, but no checksum is wrong.
  EXPECT_THAT(guest.Run("iperf3 -c 10.78.0.1 -t 2 -f m -u -R -l 1000 -b 1M; cat /proc/net/snmp"),
              AllOf(HasSubstr("receiver"),
                    ContainsRegex("Udp: [1-9][0-9]* [0-9]+ [0-9]+ [0-9]+ [0-9]+ [0-9]+ 0 ")));
  EXPECT_THAT(guest.Run("ethtool -K eth0 tso off && " + client),
              AllOf(ContainsRegex("receiver"), Not(HasSubstr("error"))));
  EXPECT_THAT(guest.Run("ethtool -K eth0 tso on; ip link show eth0"), HasSubstr("mtu 9000"));

  EXPECT_GT(std::filesystem::file_size(pcap), 2U << 20U) << "both megabytes are in it";
  guest.veneer().Send("poweroff -f\n");
  EXPECT_EQ(guest.veneer().WaitForExit(BootLimit()), 0) << guest.veneer().err();
  EXPECT_NE(peer.Run({"ip", "link", "show", "peer"}).code, 0) << "the tap is gone with Veneer";
}

}  // namespace
}  // namespace veneer::test
