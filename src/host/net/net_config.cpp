#include "veneer/host/net/net_config.h"

#include <net/if.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <limits>

#include <arpa/inet.h>

#include "veneer/vmm/base/option_list.h"

namespace veneer {
namespace {

constexpr std::uint64_t kBitRateUnit = 1000;

// What a user-mode network needs to hold the addresses that it gives out.
constexpr unsigned kShortestPrefix = 8;
constexpr unsigned kLongestPrefix = 27;

std::optional<std::uint32_t> ParseAddress(std::string_view text) {
  in_addr address{};
  if (inet_pton(AF_INET, std::string(text).c_str(), &address) != 1) {
    return std::nullopt;
  }
  return ntohl(address.s_addr);
}

// Whether an interface can have that address (RFC 1122 3.2.1.3): not "this network", loopback, a
// group or reserved.
bool IsUnicast(std::uint32_t address) {
  const std::uint32_t first = address >> 24U;
  return first != 0 && first != 127 && first < 224;
}

// 0 for what is no number from `least`, which is above 0, to `most`.
unsigned ParseBounded(std::string_view text, unsigned least, unsigned most) {
  const std::optional<std::uint64_t> value = ParseWhole(text);
  return value && *value >= least && *value <= most ? static_cast<unsigned>(*value) : 0;
}

// "[ADDRESS]:PORT", the address being optional.
bool ParseEnd(std::string_view text, std::string& address, std::uint16_t& port) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return false;
  }
  const std::string_view host = text.substr(0, colon);
  const unsigned number =
      ParseBounded(text.substr(colon + 1), 1, std::numeric_limits<std::uint16_t>::max());
  if (number == 0 || (!host.empty() && !ParseAddress(host))) {
    return false;
  }
  if (!host.empty()) {
    address = host;
  }
  port = static_cast<std::uint16_t>(number);
  return true;
}

class NetParser {
 public:
  Result<NetConfig> Parse(std::string_view text);

 private:
  using Key = OptionKey<NetParser>;

  // The first part, which says what the rest can be.
  Result<std::vector<Key>> SetLink(std::string_view part);

  Result<void> SetBridge(std::string_view key, std::string_view value);
  Result<void> SetScript(std::string_view key, std::string_view value);
  Result<void> SetQueues(std::string_view key, std::string_view value);
  Result<void> SetNetwork(std::string_view key, std::string_view value);
  Result<void> SetRestrict(std::string_view key, std::string_view value);
  Result<void> SetHostLoopback(std::string_view key, std::string_view value);
  Result<void> SetNameServer(std::string_view key, std::string_view value);
  Result<void> AddForward(std::string_view key, std::string_view value);
  Result<void> SetModel(std::string_view key, std::string_view value);
  Result<void> SetMac(std::string_view key, std::string_view value);
  Result<void> SetMtu(std::string_view key, std::string_view value);
  Result<void> SetRate(std::string_view key, std::string_view value);
  Result<void> SetCapture(std::string_view key, std::string_view value);
  Result<void> SetCaptureLimit(std::string_view key, std::string_view value);
  Result<void> SetPoll(std::string_view key, std::string_view value);

  TapNet& tap() { return std::get<TapNet>(config_.link); }
  UserNet& user() { return std::get<UserNet>(config_.link); }

  NetConfig config_;
};

Result<NetConfig> NetParser::Parse(std::string_view text) {
  const std::vector<std::string> parts = SplitOptionList(text);
  VENEER_TRY_ASSIGN(std::vector<Key> keys, SetLink(parts.front()));
  for (const Key& key :
       {Key{"model", &NetParser::SetModel}, Key{"mac", &NetParser::SetMac},
        Key{"mtu", &NetParser::SetMtu}, Key{"bps", &NetParser::SetRate},
        Key{"pcap", &NetParser::SetCapture}, Key{"max-size", &NetParser::SetCaptureLimit},
        Key{"poll", &NetParser::SetPoll}}) {
    keys.push_back(key);
  }
  VENEER_TRY(SetOptions(std::span(parts).subspan(1), keys, *this));
  if (config_.pcap_max_bytes != 0 && config_.pcap.empty()) {
    return UsageError("max-size limits a capture, and there is no pcap=FILE");
  }
  if (IsE1000Nic(config_) && config_.mtu > kMaxE1000Mtu) {
    return UsageError("mtu={} is more than an e1000 takes, which is {}", config_.mtu, kMaxE1000Mtu);
  }
  return config_;
}

// Whether a network interface of the host's can have that name.
Result<std::string> InterfaceName(std::string_view key, std::string_view value) {
  const bool fits = !value.empty() && value.size() < IFNAMSIZ && value != "." && value != ".." &&
                    std::none_of(value.begin(), value.end(), [](char c) {
                      return c == '/' || c == ':' || c == '%' || c <= ' ' || c > '~';
                    });
  if (!fits) {
    return UsageError("{}={} cannot be a network interface's name", key, value);
  }
  return std::string(value);
}

Result<std::vector<NetParser::Key>> NetParser::SetLink(std::string_view part) {
  const std::size_t equals = part.find('=');
  const std::string_view kind = part.substr(0, equals);
  const bool has_value = equals != std::string_view::npos;
  const std::string_view value = has_value ? part.substr(equals + 1) : std::string_view();
  if (kind == "tap") {
    TapNet tap;
    if (has_value) {
      VENEER_TRY_ASSIGN(tap.name, InterfaceName(kind, value));
    }
    config_.link = tap;
    return std::vector<Key>{{"bridge", &NetParser::SetBridge},
                            {"script", &NetParser::SetScript},
                            {"queues", &NetParser::SetQueues}};
  }
  if (kind == "user" && !has_value) {
    config_.link = UserNet{};
    return std::vector<Key>{{"net", &NetParser::SetNetwork},
                            {"restrict", &NetParser::SetRestrict},
                            {"host-loopback", &NetParser::SetHostLoopback},
                            {"dns", &NetParser::SetNameServer},
                            {"hostfwd", &NetParser::AddForward, /*repeatable=*/true}};
  }
  if (kind == "socket" && !value.empty()) {
    config_.link = SocketNet{std::string(value)};
    return std::vector<Key>{};
  }
  return UsageError("'{}' is not tap, tap=NAME, user or socket=PATH, one of which comes first",
                    part);
}

Result<void> NetParser::SetModel(std::string_view key, std::string_view value) {
  if (value == "e1000") {
    config_.model = NicModel::kE1000;
  } else if (value == "both") {
    config_.model = NicModel::kBoth;
  } else if (value != "pv") {
    return UsageError("{}={} is not one of pv, e1000 and both", key, value);
  }
  return {};
}

Result<void> NetParser::SetBridge(std::string_view key, std::string_view value) {
  VENEER_TRY_ASSIGN(tap().bridge, InterfaceName(key, value));
  return {};
}

Result<void> NetParser::SetScript(std::string_view key, std::string_view value) {
  if (value.empty()) {
    return UsageError("{} needs a program's path", key);
  }
  tap().script = value;
  return {};
}

Result<void> NetParser::SetQueues(std::string_view key, std::string_view value) {
  VENEER_TRY_ASSIGN(const std::uint64_t queues, ParseOptionNumber(key, value, 1, kMaxNetQueues));
  config_.queues = static_cast<unsigned>(queues);
  return {};
}

Result<void> NetParser::SetNetwork(std::string_view key, std::string_view value) {
  const std::size_t slash = value.find('/');
  const auto network = ParseAddress(value.substr(0, slash));
  const unsigned prefix =
      slash == std::string_view::npos
          ? 0
          : ParseBounded(value.substr(slash + 1), kShortestPrefix, kLongestPrefix);
  if (!network || prefix == 0) {
    return UsageError("{}={} is not an IPv4 network such as 10.0.2.0/24, of {} to {} bits", key,
                      value, kShortestPrefix, kLongestPrefix);
  }
  const std::uint32_t mask = ~std::uint32_t{0} << (32 - prefix);
  if ((*network & ~mask) != 0) {
    return UsageError("{}={} is the address of a host; the last {} bits must be 0", key, value,
                      32 - prefix);
  }
  if (!IsUnicast(*network)) {
    return UsageError(
        "{}={} is not a network that a guest can be in: 0.x, 127.x and from 224.x on "
        "are none; 10.0.2.0/24 is usual",
        key, value);
  }
  user().network = *network;
  user().prefix = prefix;
  return {};
}

Result<void> NetParser::SetRestrict(std::string_view key, std::string_view value) {
  VENEER_TRY_ASSIGN(user().restricted, ParseOptionSwitch(key, value));
  return {};
}

Result<void> NetParser::SetHostLoopback(std::string_view key, std::string_view value) {
  VENEER_TRY_ASSIGN(user().host_loopback, ParseOptionSwitch(key, value));
  return {};
}

Result<void> NetParser::SetNameServer(std::string_view key, std::string_view value) {
  user().name_server = ParseAddress(value);
  if (!user().name_server || !IsUnicast(*user().name_server)) {
    return UsageError("{}={} is not a name server's IPv4 address, such as 9.9.9.9", key, value);
  }
  return {};
}

Result<void> NetParser::AddForward(std::string_view key, std::string_view value) {
  HostForward forward;
  const std::size_t colon = value.find(':');
  const std::size_t dash = value.find('-');
  const std::string_view protocol = value.substr(0, colon);
  forward.udp = protocol == "udp";
  if ((!forward.udp && protocol != "tcp") || dash == std::string_view::npos || dash < colon ||
      !ParseEnd(value.substr(colon + 1, dash - colon - 1), forward.host_address,
                forward.host_port) ||
      !ParseEnd(value.substr(dash + 1), forward.guest_address, forward.guest_port)) {
    return UsageError("{}={} is not like tcp::8080-:80 or udp:127.0.0.1:5353-10.0.2.15:53", key,
                      value);
  }
  user().forwards.push_back(std::move(forward));
  return {};
}

Result<void> NetParser::SetMac(std::string_view key, std::string_view value) {
  config_.mac = ParseMac(value);
  if (!config_.mac) {
    return UsageError("{}={} is not an address of one card, such as 52:54:00:12:34:56", key, value);
  }
  return {};
}

Result<void> NetParser::SetMtu(std::string_view key, std::string_view value) {
  VENEER_TRY_ASSIGN(const std::uint64_t mtu, ParseOptionNumber(key, value, kMinMtu, kMaxMtu));
  config_.mtu = static_cast<std::uint32_t>(mtu);
  return {};
}

Result<void> NetParser::SetRate(std::string_view key, std::string_view value) {
  constexpr std::uint64_t kBitsPerByte = 8;
  VENEER_TRY_ASSIGN(const std::uint64_t bits, ParseOptionRate(key, value, kBitRateUnit));
  config_.bytes_per_second = std::max<std::uint64_t>(bits / kBitsPerByte, 1);
  return {};
}

Result<void> NetParser::SetCapture(std::string_view key, std::string_view value) {
  if (value.empty()) {
    return UsageError("{} needs a file's path", key);
  }
  config_.pcap = value;
  return {};
}

Result<void> NetParser::SetCaptureLimit(std::string_view key, std::string_view value) {
  constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;
  const std::optional<std::uint64_t> bytes = ParseBytes(value, kMiB);
  // The largest frame is 64 KiB.
  if (!bytes || *bytes < kMiB) {
    return UsageError("{}={} is not a size of 1M or more", key, value);
  }
  config_.pcap_max_bytes = *bytes;
  return {};
}

Result<void> NetParser::SetPoll(std::string_view key, std::string_view value) {
  constexpr std::uint64_t kLongestUs = 1000;
  VENEER_TRY_ASSIGN(const std::uint64_t poll_us, ParseOptionNumber(key, value, 0, kLongestUs));
  config_.poll_us = static_cast<unsigned>(poll_us);
  return {};
}

}  // namespace

std::string ToString(const MacAddress& mac) {
  std::string text;
  for (const std::uint8_t byte : mac.bytes) {
    text += fmt::format("{}{:02x}", text.empty() ? "" : ":", byte);
  }
  return text;
}

std::optional<MacAddress> ParseMac(std::string_view text) {
  MacAddress mac;
  constexpr std::size_t kPerByte = 3;  // two digits and a colon
  if (text.size() != mac.bytes.size() * kPerByte - 1) {
    return std::nullopt;
  }
  for (std::size_t i = 0; i < mac.bytes.size(); ++i) {
    const char* const first = text.data() + i * kPerByte;
    const auto [end, error] = std::from_chars(first, first + 2, mac.bytes[i], 16);
    if (error != std::errc() || end != first + 2 || (i > 0 && first[-1] != ':')) {
      return std::nullopt;
    }
  }
  const bool group = (mac.bytes[0] & 1U) != 0;
  return group || mac == MacAddress{} ? std::nullopt : std::optional(mac);
}

std::string OwnerIdentity() {
  std::string host;
  std::ifstream("/etc/machine-id") >> host;
  if (host.empty()) {
    std::array<char, 256> name{};
    static_cast<void>(gethostname(name.data(), name.size() - 1));
    host = name.data();
  }
  return fmt::format("{}/{}", host, geteuid());
}

MacAddress DefaultMac(std::string_view owner, std::string_view guest, unsigned number) {
  std::uint32_t hash = 2166136261U;  // FNV-1a
  const auto add = [&hash](std::uint8_t byte) { hash = (hash ^ byte) * 16777619U; };
  for (const char c : owner) {
    add(static_cast<std::uint8_t>(c));
  }
  add(0);
  for (const char c : guest) {
    add(static_cast<std::uint8_t>(c));
  }
  add(static_cast<std::uint8_t>(number));
  hash ^= hash >> 24U;
  return {{0x52, 0x54, 0x00, static_cast<std::uint8_t>(hash >> 16U),
           static_cast<std::uint8_t>(hash >> 8U), static_cast<std::uint8_t>(hash)}};
}

Result<void> IdentifyNics(std::string_view guest, std::span<NetConfig> nics) {
  for (NetConfig& nic : nics) {
    for (unsigned number = 0; !nic.number; ++number) {
      if (std::ranges::find(nics, std::optional(number), &NetConfig::number) == nics.end()) {
        nic.number = number;
      }
    }
    if (!nic.mac) {
      nic.mac = DefaultMac(OwnerIdentity(), guest, *nic.number);
    }
  }
  for (auto nic = nics.begin(); nic != nics.end(); ++nic) {
    const auto other = std::find_if(nics.begin(), nic,
                                    [nic](const NetConfig& one) { return one.mac == nic->mac; });
    if (other != nic) {
      return UsageError("NIC {} has the address {} already; choose another for NIC {} (mac=)",
                        *other->number, ToString(*nic->mac), *nic->number);
    }
  }
  return {};
}

Result<NetConfig> ParseNet(std::string_view text) { return NetParser().Parse(text); }

}  // namespace veneer
