// What the user says about one NIC (--net), as plain data.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "veneer/vmm/base/result.h"

namespace veneer {

struct MacAddress {
  std::array<std::uint8_t, 6> bytes{};
  friend bool operator==(const MacAddress&, const MacAddress&) = default;
};
// "52:54:00:12:34:56".
std::string ToString(const MacAddress& mac);
// Nothing for anything else than six pairs of hexadecimal digits, and for what no NIC can have: a
// group address or all zeros.
std::optional<MacAddress> ParseMac(std::string_view text);
// The same for the same guest of the same user on the same host, and number: with QEMU's and Xen's
// usual beginning. `owner`: see OwnerIdentity().
MacAddress DefaultMac(std::string_view owner, std::string_view guest, unsigned number);
// What tells this host and user from others: the host's machine-id(5), or its name without one.
std::string OwnerIdentity();

// A tap of the host's: an existing one by its name, or one that Veneer makes and takes away again.
struct TapNet {
  std::string name;    // empty: "veneer0", or the next that is free
  std::string bridge;  // to put it in; empty: none
  std::string script;  // run with the tap's name once it is up; empty: none
};

// A port of the host's whose connections go to one of the guest's.
struct HostForward {
  bool udp = false;
  std::string host_address = "127.0.0.1";
  std::uint16_t host_port = 0;
  std::string guest_address;  // empty: the first that DHCP gives out
  std::uint16_t guest_port = 0;
};

// A network of its own inside Veneer (libslirp), with DHCP, DNS and a way out by the host's
// sockets.
struct UserNet {
  std::uint32_t network = 0x0a000200;  // 10.0.2.0, host byte order
  unsigned prefix = 24;
  bool restricted = false;                   // no way out; forwarded ports still come in
  bool host_loopback = true;                 // 10.0.2.2 leads to the host's loopback
  std::optional<std::uint32_t> name_server;  // host byte order; empty: the network's own, 10.0.2.3
  std::vector<HostForward> forwards;
};

// A server that speaks frames on a UNIX stream socket, each with its length before it (32 bits, big
// endian), as passt does.
struct SocketNet {
  std::string path;
};

// What a guest finds.
enum class NicModel {
  kPv,     // Xen's network front-end
  kE1000,  // an emulated e1000
  kBoth,   // both, until the guest has the emulated twin unplugged
};

struct NetConfig {
  std::variant<TapNet, UserNet, SocketNet> link;
  NicModel model = NicModel::kPv;
  std::optional<unsigned> number;      // the device's; empty: the first that is free
  std::optional<MacAddress> mac;       // empty: made from the guest's name and the NIC's number
  unsigned queues = 1;                 // offered to the guest, one thread each
  std::uint32_t mtu = 0;               // bytes; 0: the link's
  std::uint64_t bytes_per_second = 0;  // each way; 0: no limit
  std::string pcap;                    // where to write every frame; empty: nowhere
  std::uint64_t pcap_max_bytes = 0;    // of the file, before another begins; 0: no limit
  // How long, at most, a queue's thread looks for more work before it sleeps, µs.
  unsigned poll_us = 50;
};

inline bool IsPvNic(const NetConfig& nic) { return nic.model != NicModel::kE1000; }
inline bool IsE1000Nic(const NetConfig& nic) { return nic.model != NicModel::kPv; }

inline constexpr unsigned kMaxNetQueues = 16;
// What `mtu` can be, bytes: what every IPv4 host takes, and the most that a link takes, or an
// e1000.
inline constexpr std::uint32_t kMinMtu = 576;
inline constexpr std::uint32_t kMaxMtu = 65520;
inline constexpr std::uint32_t kMaxE1000Mtu = 16110;

// "tap[=NAME][,bridge=BR][,script=FILE][,queues=N]",
// "user[,net=ADDRESS/BITS][,restrict=on|off][,host-loopback=on|off][,dns=ADDRESS]
// [,hostfwd=tcp|udp:[ADDRESS]:PORT-[ADDRESS]:PORT]..." or "socket=PATH", each with
// "[,model=pv|e1000|both][,mac=MAC][,mtu=BYTES][,bps=RATE][,pcap=FILE[,max-size=SIZE]][,poll=MICROSECONDS]".
// A comma in a value is written twice. bps: bits per second, K being 1000. UsageError names the key
// that is unknown, repeated or has a wrong value.
Result<NetConfig> ParseNet(std::string_view text);

// Gives each NIC that has no number the first that none of the others has, and each that has no
// address its DefaultMac() here. UsageError for two with the same address.
Result<void> IdentifyNics(std::string_view guest, std::span<NetConfig> nics);

}  // namespace veneer
