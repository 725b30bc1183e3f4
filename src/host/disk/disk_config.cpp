#include "veneer/host/disk/disk_config.h"

#include <array>
#include <set>
#include <utility>

#include "image_format.h"
#include "veneer/vmm/base/option_list.h"

namespace veneer {
namespace {

// Rates in bytes and requests count as sizes do.
constexpr std::uint64_t kRateUnit = 1024;

class DiskParser {
 public:
  Result<DiskConfig> Parse(std::string_view text);

 private:
  static const std::array<OptionKey<DiskParser>, 17> kKeys;

  Result<void> SetPath(std::string_view key, std::string_view value);
  Result<void> SetFormat(std::string_view key, std::string_view value);
  Result<void> SetBus(std::string_view key, std::string_view value);
  Result<void> SetMedia(std::string_view key, std::string_view value);
  using Keys = std::set<std::string, std::less<>>;
  Result<void> CheckBus(const Keys& seen);
  Result<void> SetVdev(std::string_view key, std::string_view value);
  Result<void> SetCache(std::string_view key, std::string_view value);
  Result<void> SetSerial(std::string_view key, std::string_view value);
  Result<void> SetQueues(std::string_view key, std::string_view value);
  Result<void> SetPoll(std::string_view key, std::string_view value);
  Result<void> SetOnError(std::string_view key, std::string_view value);
  Result<void> SetLogicalBlock(std::string_view key, std::string_view value);
  template <bool DiskConfig::*kMember>
  Result<void> SetSwitch(std::string_view key, std::string_view value) {
    VENEER_TRY_ASSIGN(config_.*kMember, ParseOptionSwitch(key, value));
    return {};
  }
  template <std::uint64_t DiskConfig::*kMember>
  Result<void> SetRate(std::string_view key, std::string_view value) {
    VENEER_TRY_ASSIGN(config_.*kMember, ParseOptionRate(key, value, kRateUnit));
    return {};
  }

  DiskConfig config_;
  bool cache_none_ = false;
};

const std::array<OptionKey<DiskParser>, 17> DiskParser::kKeys{{
    {"path", &DiskParser::SetPath},
    {"format", &DiskParser::SetFormat},
    {"bus", &DiskParser::SetBus},
    {"media", &DiskParser::SetMedia},
    {"vdev", &DiskParser::SetVdev},
    {"readonly", &DiskParser::SetSwitch<&DiskConfig::readonly>},
    {"overlay", &DiskParser::SetSwitch<&DiskConfig::overlay>},
    {"direct", &DiskParser::SetSwitch<&DiskConfig::direct>},
    {"cache", &DiskParser::SetCache},
    {"queues", &DiskParser::SetQueues},
    {"on-error", &DiskParser::SetOnError},
    {"logical-block-size", &DiskParser::SetLogicalBlock},
    {"discard", &DiskParser::SetSwitch<&DiskConfig::discard>},
    {"serial", &DiskParser::SetSerial},
    {"bps", &DiskParser::SetRate<&DiskConfig::bytes_per_second>},
    {"iops", &DiskParser::SetRate<&DiskConfig::requests_per_second>},
    {"poll", &DiskParser::SetPoll},
}};

Result<DiskConfig> DiskParser::Parse(std::string_view text) {
  VENEER_TRY_ASSIGN(const auto seen, SetOptions(SplitOptionList(text), kKeys, *this));
  if (config_.path.empty()) {
    return UsageError("the key path is missing; write path=FILE");
  }
  if (cache_none_) {
    if (seen.contains("direct") && !config_.direct) {
      return UsageError("cache=none and direct=off contradict each other");
    }
    config_.direct = true;
  }
  VENEER_TRY(CheckBus(seen));
  if (config_.overlay && config_.readonly) {
    return UsageError(
        "overlay=on and readonly=on contradict each other: with readonly=on nothing is "
        "written anyway");
  }
  return config_;
}

// What bus and medium together make possible.
Result<void> DiskParser::CheckBus(const Keys& seen) {
  if (config_.cdrom) {
    if (seen.contains("bus") && config_.bus != DiskBus::kIde) {
      return UsageError("a CD-ROM is on the IDE bus; leave out bus, or write bus=ide");
    }
    if (seen.contains("readonly") && !config_.readonly) {
      return UsageError("media=cdrom and readonly=off contradict each other");
    }
    config_.bus = DiskBus::kIde;
    config_.readonly = true;
  }
  if (config_.bus == DiskBus::kIde) {
    for (const std::string_view key : {"vdev", "queues", "poll", "logical-block-size"}) {
      if (seen.contains(key)) {
        return UsageError("the key {} is for PV disks; an IDE disk has no such thing", key);
      }
    }
  } else if (config_.bus == DiskBus::kBoth && config_.logical_block_bytes > 512) {
    return UsageError("an IDE disk has sectors of 512 bytes; leave out logical-block-size={}",
                      config_.logical_block_bytes);
  }
  return {};
}

Result<void> DiskParser::SetPath(std::string_view, std::string_view value) {
  config_.path = value;
  return {};
}

Result<void> DiskParser::SetFormat(std::string_view key, std::string_view value) {
  if (value == "auto") {
    return {};
  }
  if (value == "raw") {
    config_.format = DiskFormat::kRaw;
    return {};
  }
  std::string known;
  for (const ImageFormat& format : ImageFormats()) {
    if (format.use == ImageFormat::Use::kNothing) {
      continue;
    }
    if (format.key == value) {
      config_.format = format.format;
      return {};
    }
    known += fmt::format(", {}", format.key);
  }
  return UsageError("{}={} is not one of raw{} and auto", key, value, known);
}

Result<void> DiskParser::SetBus(std::string_view key, std::string_view value) {
  if (value == "ide") {
    config_.bus = DiskBus::kIde;
  } else if (value == "both") {
    config_.bus = DiskBus::kBoth;
  } else if (value != "pv") {
    return UsageError("{}={} is not one of pv, ide and both", key, value);
  }
  return {};
}

Result<void> DiskParser::SetMedia(std::string_view key, std::string_view value) {
  if (value != "disk" && value != "cdrom") {
    return UsageError("{}={} is neither disk nor cdrom", key, value);
  }
  config_.cdrom = value == "cdrom";
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
  VENEER_TRY_ASSIGN(const std::uint64_t queues, ParseOptionNumber(key, value, 1, kMaxDiskQueues));
  config_.queues = static_cast<unsigned>(queues);
  return {};
}

Result<void> DiskParser::SetPoll(std::string_view key, std::string_view value) {
  constexpr std::uint64_t kLongestUs = 1000;
  VENEER_TRY_ASSIGN(const std::uint64_t poll_us, ParseOptionNumber(key, value, 0, kLongestUs));
  config_.poll_us = static_cast<unsigned>(poll_us);
  return {};
}

Result<void> DiskParser::SetOnError(std::string_view key, std::string_view value) {
  if (value == "pause") {
    config_.on_error = DiskOnError::kPause;
  } else if (value == "stop") {
    config_.on_error = DiskOnError::kStop;
  } else if (value != "report") {
    return UsageError("{}={} is not one of report, pause and stop", key, value);
  }
  return {};
}

Result<void> DiskParser::SetLogicalBlock(std::string_view key, std::string_view value) {
  if (value != "512" && value != "4096") {
    return UsageError("{}={} is neither 512 nor 4096", key, value);
  }
  config_.logical_block_bytes = value == "512" ? 512 : kLargestLogicalBlock;
  return {};
}

constexpr unsigned kLetters = 26;
// Major number 202 with 16 minors each, as far as that goes (Xen's vbd-interface document).
constexpr std::uint32_t kXvdMajor = 202;
constexpr std::uint32_t kClassicDisks = 16;
constexpr std::uint32_t kExtended = 1U << 28U;

}  // namespace

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

void NamePvDisks(std::span<DiskConfig> disks) {
  std::set<std::string, std::less<>> names;
  for (DiskConfig& disk : disks) {
    if (!IsPvDisk(disk)) {
      continue;
    }
    for (unsigned index = 0; disk.vdev.empty(); ++index) {
      if (std::string name = VirtualDeviceName(index); !names.contains(name)) {
        disk.vdev = std::move(name);
      }
    }
    names.insert(disk.vdev);
  }
}

}  // namespace veneer
