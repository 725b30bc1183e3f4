// --net: every key, and a plain sentence for everything that is wrong.
#include "veneer/host/net/net_config.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace veneer {
namespace {

using ::testing::HasSubstr;

TEST(Mac, ThereAndBack) {
  const auto mac = ParseMac("52:54:00:aB:Cd:0f");
  ASSERT_TRUE(mac.has_value());
  EXPECT_EQ(ToString(*mac), "52:54:00:ab:cd:0f");
  for (const char* bad : {"", "52:54:00:ab:cd", "52:54:00:ab:cd:0g", "52:54:00:ab:cd:0f:",
                          "52-54-00-ab-cd-0f", "5 :54:00:ab:cd:0f", "52:54:00:ab:cd:+f",
                          "00:00:00:00:00:00", "53:54:00:ab:cd:0f", "ff:ff:ff:ff:ff:ff"}) {
    EXPECT_EQ(ParseMac(bad), std::nullopt) << bad;
  }
}

TEST(Mac, TheDefaultIsTheGuestsOwn) {
  EXPECT_EQ(DefaultMac(OwnerIdentity(), "web", 0), DefaultMac(OwnerIdentity(), "web", 0));
  std::set<std::string> all;
  for (const char* owner : {"0123456789abcdef0123456789abcdef/0", "host/0", "host/1000"}) {
    for (const char* guest : {"web", "web-2", "db", ""}) {
      for (const unsigned number : {0U, 1U, 2U, 15U}) {
        const std::string text = ToString(DefaultMac(owner, guest, number));
        EXPECT_TRUE(text.starts_with("52:54:00:")) << text;
        all.insert(text);
      }
    }
  }
  EXPECT_EQ(all.size(), 48U) << "guests of other hosts and users have other addresses";
  EXPECT_EQ(OwnerIdentity(), OwnerIdentity());
  EXPECT_GT(OwnerIdentity().size(), 2U);
}

TEST(ParseNet, JustTheLink) {
  const auto user = ParseNet("user");
  ASSERT_TRUE(user.has_value());
  const auto& net = std::get<UserNet>(user->link);
  EXPECT_EQ(net.network, 0x0a000200U);
  EXPECT_EQ(net.prefix, 24U);
  EXPECT_FALSE(net.restricted);
  EXPECT_FALSE(user->mac.has_value());
  EXPECT_EQ(user->mtu, 0U);
  EXPECT_EQ(std::get<TapNet>(ParseNet("tap")->link).name, "");
  EXPECT_EQ(std::get<SocketNet>(ParseNet("socket=/run/a,,b")->link).path, "/run/a,b");
}

TEST(ParseNet, EveryKey) {
  const auto user = ParseNet(
      "user,net=192.168.64.0/20,restrict=on,hostfwd=tcp::8080-:80,"
      "hostfwd=udp:0.0.0.0:5353-192.168.64.16:53,mac=52:54:00:12:34:56,mtu=65520,bps=1G,"
      "pcap=/tmp/a.pcap,poll=0");
  ASSERT_TRUE(user.has_value()) << user.error().message;
  const auto& net = std::get<UserNet>(user->link);
  EXPECT_EQ(net.network, 0xc0a84000U);
  EXPECT_EQ(net.prefix, 20U);
  EXPECT_TRUE(net.restricted);
  ASSERT_EQ(net.forwards.size(), 2U);
  EXPECT_FALSE(net.forwards[0].udp);
  EXPECT_EQ(net.forwards[0].host_address, "127.0.0.1");
  EXPECT_EQ(net.forwards[0].host_port, 8080U);
  EXPECT_EQ(net.forwards[0].guest_address, "");
  EXPECT_EQ(net.forwards[0].guest_port, 80U);
  EXPECT_TRUE(net.forwards[1].udp);
  EXPECT_EQ(net.forwards[1].host_address, "0.0.0.0");
  EXPECT_EQ(net.forwards[1].guest_address, "192.168.64.16");
  EXPECT_EQ(ToString(user->mac.value()), "52:54:00:12:34:56");
  EXPECT_EQ(user->mtu, 65520U);
  EXPECT_EQ(user->bytes_per_second, 125'000'000U);
  EXPECT_EQ(user->pcap, "/tmp/a.pcap");
  EXPECT_EQ(ParseNet("user,pcap=a,max-size=10M").value().pcap_max_bytes, 10U << 20U);
  EXPECT_EQ(user->poll_us, 0U);

  const auto tap = ParseNet("tap=tap7,bridge=br0,script=/etc/up,queues=4");
  ASSERT_TRUE(tap.has_value()) << tap.error().message;
  EXPECT_EQ(std::get<TapNet>(tap->link).name, "tap7");
  EXPECT_EQ(std::get<TapNet>(tap->link).bridge, "br0");
  EXPECT_EQ(std::get<TapNet>(tap->link).script, "/etc/up");
  EXPECT_EQ(tap->queues, 4U);
}

TEST(ParseNet, WhereTheGuestMayGo) {
  const UserNet usual = std::get<UserNet>(ParseNet("user")->link);
  EXPECT_TRUE(usual.host_loopback);
  EXPECT_EQ(usual.name_server, std::nullopt);
  const UserNet net = std::get<UserNet>(ParseNet("user,host-loopback=off,dns=9.9.9.9")->link);
  EXPECT_FALSE(net.host_loopback);
  EXPECT_EQ(net.name_server, 0x09090909U);
  for (const char* bad : {"user,dns=::1", "user,dns=127.0.0.53", "user,dns=", "user,dns=x",
                          "user,host-loopback=maybe", "tap,dns=9.9.9.9"}) {
    EXPECT_FALSE(ParseNet(bad).has_value()) << bad;
  }
}

TEST(ParseNet, NetworksThatNobodyCanBeIn) {
  for (const char* bad : {"user,net=127.0.0.0/8", "user,net=0.0.0.0/8", "user,net=224.0.0.0/24",
                          "user,net=255.0.0.0/8"}) {
    EXPECT_THAT(ParseNet(bad).error().message, HasSubstr("is not a network that a guest can be in"))
        << bad;
  }
  EXPECT_TRUE(ParseNet("user,net=10.0.0.0/8").has_value());
}

TEST(ParseNet, AnE1000HasAnMtuOfItsOwn) {
  EXPECT_EQ(ParseNet("tap,model=e1000,mtu=16110")->mtu, 16110U);
  for (const char* bad : {"user,model=e1000,mtu=16111", "user,mtu=65520,model=both"}) {
    EXPECT_THAT(ParseNet(bad).error().message, HasSubstr("is more than an e1000 takes")) << bad;
  }
}

TEST(ParseNet, Models) {
  EXPECT_EQ(ParseNet("user")->model, NicModel::kPv);
  EXPECT_EQ(ParseNet("user,model=pv")->model, NicModel::kPv);
  EXPECT_EQ(ParseNet("tap,model=e1000")->model, NicModel::kE1000);
  EXPECT_EQ(ParseNet("socket=/s,model=both")->model, NicModel::kBoth);
  EXPECT_EQ(ParseNet("user,model=rtl8139").error().message,
            "model=rtl8139 is not one of pv, e1000 and both");
}

TEST(IdentifyNics, GivesTheFirstNumberThatIsFreeAndItsAddress) {
  std::vector<NetConfig> nics(4);
  nics[2].number = 0;
  nics[3].number = 2;
  nics[3].mac = ParseMac("52:54:00:12:34:56");
  ASSERT_TRUE(IdentifyNics("web", nics));
  EXPECT_EQ(nics[0].number, 1U);
  EXPECT_EQ(nics[0].mac, DefaultMac(OwnerIdentity(), "web", 1));
  EXPECT_EQ(nics[1].number, 3U);
  EXPECT_EQ(nics[3].mac, ParseMac("52:54:00:12:34:56"));
}

TEST(IdentifyNics, TwoCannotHaveOneAddress) {
  std::vector<NetConfig> nics(3);
  nics[2].mac = DefaultMac(OwnerIdentity(), "web", 0);
  EXPECT_EQ(IdentifyNics("web", nics).error().message,
            "NIC 0 has the address " + ToString(DefaultMac(OwnerIdentity(), "web", 0)) +
                " already; choose another for NIC 2 (mac=)");
}

TEST(ParseNet, NamesWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "'' is not tap, tap=NAME, user or socket=PATH"},
      {"bridge=br0", "'bridge=br0' is not tap"},
      {"user=x", "'user=x' is not tap"},
      {"socket", "'socket' is not tap"},
      {"socket=", "'socket=' is not tap"},
      {"tap=", "tap= cannot be a network interface's name"},
      {"tap=a/b", "cannot be a network interface's name"},
      {"tap=sixteen-letters!", "cannot be a network interface's name"},
      {"tap=tap%d", "cannot be a network interface's name"},
      {"tap,bridge=a b", "bridge=a b cannot be"},
      {"tap,script=", "script needs a program's path"},
      {"tap,hostfwd=tcp::1-:1", "there is no key 'hostfwd'; the keys are bridge, script, queues"},
      {"tap,queues=0", "queues=0 is not a whole number from 1 to 16"},
      {"user,queues=2",
       "there is no key 'queues'; the keys are net, restrict, host-loopback, dns, hostfwd, model, "
       "mac"},
      {"user,bridge=br0", "there is no key 'bridge'"},
      {"user,net=10.0.2.0", "net=10.0.2.0 is not an IPv4 network such as 10.0.2.0/24"},
      {"user,net=10.0.2.0/28", "is not an IPv4 network"},
      {"user,net=10.0.0/24", "is not an IPv4 network"},
      {"user,net=10.0.2.5/24", "is the address of a host; the last 8 bits must be 0"},
      {"user,restrict=yes", "restrict=yes is neither on nor off"},
      {"user,hostfwd=8080", "hostfwd=8080 is not like tcp::8080-:80"},
      {"user,hostfwd=tcp:8080-80", "is not like"},
      {"user,hostfwd=icmp::1-:1", "is not like"},
      {"user,hostfwd=tcp::0-:80", "is not like"},
      {"user,hostfwd=tcp::80-:65536", "is not like"},
      {"user,hostfwd=tcp:host:80-:80", "is not like"},
      {"user,hostfwd=-tcp::80-:80", "is not like"},
      {"user,mac=1", "mac=1 is not an address of one card"},
      {"user,mac=52:54:00:12:34:56,mac=52:54:00:12:34:57", "the key mac is given twice"},
      {"user,mtu=575", "mtu=575 is not a whole number from 576 to 65520"},
      {"user,mtu=65521", "mtu=65521 is not"},
      {"user,bps=0", "bps=0 is not a number above 0"},
      {"user,pcap=", "pcap needs a file's path"},
      {"user,pcap=a,max-size=64K", "max-size=64K is not a size of 1M or more"},
      {"user,max-size=1M", "there is no pcap=FILE"},
      {"user,poll=1001", "poll=1001 is not"},
      {"socket=/a,mtu", "the key mtu has no value"}};
  for (const auto& [text, message] : cases) {
    const auto config = ParseNet(text);
    ASSERT_FALSE(config.has_value()) << text;
    EXPECT_EQ(config.error().kind, ErrorKind::kUsage);
    EXPECT_THAT(config.error().message, HasSubstr(message)) << text;
  }
}

}  // namespace
}  // namespace veneer
