#include "veneer/storage/disk_config.h"

#include <array>
#include <charconv>
#include <limits>
#include <set>
#include <vector>

namespace veneer {
namespace {

// What a number may be followed by, as powers of two.
constexpr std::string_view kUnits = "KMGT";

Result<std::uint64_t> ParseNumber(std::string_view key, std::string_view text, std::uint64_t least,
                                  std::uint64_t most) {
  std::uint64_t value = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  if (error != std::errc() || end != last || value < least || value > most) {
    return UsageError("{}={} is not a whole number from {} to {}", key, text, least, most);
  }
  return value;
}

Result<std::uint64_t> ParseRate(std::string_view key, std::string_view text) {
  const std::size_t unit = text.empty() ? std::string_view::npos : kUnits.find(text.back());
  const std::string_view digits =
      unit == std::string_view::npos ? text : text.substr(0, text.size() - 1);
  const unsigned shift =
      unit == std::string_view::npos ? 0 : 10 * (static_cast<unsigned>(unit) + 1);
  std::uint64_t value = 0;
  const char* const last = digits.data() + digits.size();
  const auto [end, error] = std::from_chars(digits.data(), last, value);
  if (error != std::errc() || end != last || value == 0 ||
      value > (std::numeric_limits<std::uint64_t>::max() >> shift)) {
    return UsageError("{}={} is not a number above 0 (with K, M, G or T, if need be)", key, text);
  }
  return value << shift;
}

Result<bool> ParseSwitch(std::string_view key, std::string_view text) {
  if (text != "on" && text != "off") {
    return UsageError("{}={} is neither on nor off", key, text);
  }
  return text == "on";
}

// Splits at single commas; two stand for one.
std::vector<std::string> SplitAtCommas(std::string_view text) {
  std::vector<std::string> parts(1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != ',') {
      parts.back().push_back(text[i]);
    } else if (i + 1 < text.size() && text[i + 1] == ',') {
      parts.back().push_back(',');
      ++i;
    } else {
      parts.emplace_back();
    }
  }
  return parts;
}

// The other way round, for one part.
std::string DoubleCommas(std::string_view part) {
  std::string text;
  for (const char c : part) {
    text.append(c == ',' ? 2 : 1, c);
  }
  return text;
}

class DiskParser {
 public:
  Result<DiskConfig> Parse(std::string_view text);

 private:
  using Setter = Result<void> (DiskParser::*)(std::string_view key, std::string_view value);
  struct Key {
    std::string_view name;
    Setter set;
  };
  static const std::array<Key, 12> kKeys;

  Result<void> Set(const std::string& part);
  Result<void> SetPath(std::string_view key, std::string_view value);
  Result<void> SetFormat(std::string_view key, std::string_view value);
  Result<void> SetVdev(std::string_view key, std::string_view value);
  Result<void> SetCache(std::string_view key, std::string_view value);
  Result<void> SetSerial(std::string_view key, std::string_view value);
  Result<void> SetQueues(std::string_view key, std::string_view value);
  Result<void> SetPoll(std::string_view key, std::string_view value);
  template <bool DiskConfig::*kMember>
  Result<void> SetSwitch(std::string_view key, std::string_view value) {
    VENEER_TRY_ASSIGN(config_.*kMember, ParseSwitch(key, value));
    return {};
  }
  template <std::uint64_t DiskConfig::*kMember>
  Result<void> SetRate(std::string_view key, std::string_view value) {
    VENEER_TRY_ASSIGN(config_.*kMember, ParseRate(key, value));
    return {};
  }

  DiskConfig config_;
  std::set<std::string, std::less<>> seen_;
  bool cache_none_ = false;
};

const std::array<DiskParser::Key, 12> DiskParser::kKeys{{
    {"path", &DiskParser::SetPath},
    {"format", &DiskParser::SetFormat},
    {"vdev", &DiskParser::SetVdev},
    {"readonly", &DiskParser::SetSwitch<&DiskConfig::readonly>},
    {"direct", &DiskParser::SetSwitch<&DiskConfig::direct>},
    {"cache", &DiskParser::SetCache},
    {"queues", &DiskParser::SetQueues},
    {"discard", &DiskParser::SetSwitch<&DiskConfig::discard>},
    {"serial", &DiskParser::SetSerial},
    {"bps", &DiskParser::SetRate<&DiskConfig::bytes_per_second>},
    {"iops", &DiskParser::SetRate<&DiskConfig::requests_per_second>},
    {"poll", &DiskParser::SetPoll},
}};

Result<DiskConfig> DiskParser::Parse(std::string_view text) {
  for (const std::string& part : SplitAtCommas(text)) {
    VENEER_TRY(Set(part));
  }
  if (config_.path.empty()) {
    return UsageError("the key path is missing; write path=FILE");
  }
  if (cache_none_) {
    if (seen_.contains("direct") && !config_.direct) {
      return UsageError("cache=none and direct=off contradict each other");
    }
    config_.direct = true;
  }
  return config_;
}

Result<void> DiskParser::Set(const std::string& part) {
  const std::size_t equals = part.find('=');
  const std::string_view name = std::string_view(part).substr(0, equals);
  for (const Key& key : kKeys) {
    if (key.name != name) {
      continue;
    }
    if (equals == std::string::npos) {
      return UsageError("the key {} has no value; write {}=VALUE", name, name);
    }
    if (!seen_.emplace(name).second) {
      return UsageError("the key {} is given twice", name);
    }
    return (this->*key.set)(name, std::string_view(part).substr(equals + 1));
  }
  std::string names;
  for (const Key& key : kKeys) {
    names += names.empty() ? "" : ", ";
    names += key.name;
  }
  return UsageError("there is no key '{}'; the keys are {}", name, names);
}

Result<void> DiskParser::SetPath(std::string_view, std::string_view value) {
  config_.path = value;
  return {};
}

Result<void> DiskParser::SetFormat(std::string_view key, std::string_view value) {
  if (value == "raw") {
    config_.format = DiskFormat::kRaw;
  } else if (value == "qcow2") {
    config_.format = DiskFormat::kQcow2;
  } else if (value != "auto") {
    return UsageError("{}={} is not one of raw, qcow2 and auto", key, value);
  }
  return {};
}

Result<void> DiskParser::SetVdev(std::string_view key, std::string_view value) {
  if (!VirtualDeviceNumber(value)) {
    return UsageError("{}={} is not a name such as xvda", key, value);
  }
  config_.vdev = value;
  return {};
}

Result<void> DiskParser::SetCache(std::string_view key, std::string_view value) {
  cache_none_ = value == "none";
  if (value == "unsafe") {
    config_.cache = DiskCache::kUnsafe;
  } else if (value != "writeback" && value != "none") {
    return UsageError("{}={} is not one of writeback, none and unsafe", key, value);
  }
  return {};
}

Result<void> DiskParser::SetSerial(std::string_view key, std::string_view value) {
  constexpr std::size_t kLongest = 64;
  if (value.empty() || value.size() > kLongest) {
    return UsageError("{} needs 1 to {} characters", key, kLongest);
  }
  config_.serial = value;
  return {};
}

Result<void> DiskParser::SetQueues(std::string_view key, std::string_view value) {
  VENEER_TRY_ASSIGN(const std::uint64_t queues, ParseNumber(key, value, 1, kMaxDiskQueues));
  config_.queues = static_cast<unsigned>(queues);
  return {};
}

Result<void> DiskParser::SetPoll(std::string_view key, std::string_view value) {
  constexpr std::uint64_t kLongestUs = 1000;
  VENEER_TRY_ASSIGN(const std::uint64_t poll_us, ParseNumber(key, value, 0, kLongestUs));
  config_.poll_us = static_cast<unsigned>(poll_us);
  return {};
}

constexpr unsigned kLetters = 26;
// Major number 202 with 16 minors each, as far as that goes (Xen's vbd-interface document).
constexpr std::uint32_t kXvdMajor = 202;
constexpr std::uint32_t kClassicDisks = 16;
constexpr std::uint32_t kExtended = 1U << 28U;

}  // namespace

std::string WithDiskPath(std::string_view text, std::string_view path) {
  std::string result = "path=" + DoubleCommas(path);
  for (const std::string& part : SplitAtCommas(text)) {
    if (!part.starts_with("path=")) {
      result += "," + DoubleCommas(part);
    }
  }
  return result;
}

Result<DiskConfig> ParseDisk(std::string_view text) { return DiskParser().Parse(text); }

std::optional<std::uint32_t> VirtualDeviceNumber(std::string_view vdev) {
  if (!vdev.starts_with("xvd") || vdev.size() < 4 || vdev.size() > 5) {
    return std::nullopt;
  }
  std::uint32_t index = 0;
  for (const char letter : vdev.substr(3)) {
    if (letter < 'a' || letter > 'z') {
      return std::nullopt;
    }
    index = index * kLetters + static_cast<std::uint32_t>(letter - 'a') + 1;
  }
  --index;
  return index < kClassicDisks ? (kXvdMajor << 8U | index << 4U) : (kExtended | index << 8U);
}

std::string VirtualDeviceName(unsigned index) {
  std::string letters;
  for (unsigned rest = index + 1; rest > 0; rest = (rest - 1) / kLetters) {
    letters.insert(letters.begin(), static_cast<char>('a' + (rest - 1) % kLetters));
  }
  return "xvd" + letters;
}

}  // namespace veneer
