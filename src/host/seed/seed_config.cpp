#include <algorithm>
#include <array>
#include <cctype>

#include "veneer/host/seed/seed.h"
#include "veneer/vmm/base/option_list.h"

namespace veneer {
namespace {

struct SeedParser {
  SeedConfig config;

  template <std::string SeedConfig::*kMember>
  Result<void> SetFile(std::string_view key, std::string_view value) {
    if (value.empty()) {
      return UsageError("{} needs the path of a file", key);
    }
    config.*kMember = value;
    return {};
  }
  // As hostname(7) has it.
  Result<void> SetHostname(std::string_view key, std::string_view value) {
    constexpr std::size_t kLongest = 64;
    const auto fits = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '.'; };
    if (value.empty() || value.size() > kLongest || !std::ranges::all_of(value, fits) ||
        std::isalnum(static_cast<unsigned char>(value.front())) == 0) {
      return UsageError(
          "{}={} is not a host name of up to {} letters, digits, '-' and '.' that begins with a "
          "letter or a digit",
          key, value, kLongest);
    }
    config.hostname = value;
    return {};
  }
};

constexpr std::array<OptionKey<SeedParser>, 4> kKeys{{
    {"user-data", &SeedParser::SetFile<&SeedConfig::user_data>},
    {"meta-data", &SeedParser::SetFile<&SeedConfig::meta_data>},
    {"network", &SeedParser::SetFile<&SeedConfig::network>},
    {"hostname", &SeedParser::SetHostname},
}};

}  // namespace

Result<SeedConfig> ParseSeed(std::string_view text) {
  SeedParser parser;
  VENEER_TRY(SetOptions(SplitOptionList(text), kKeys, parser));
  if (!parser.config.meta_data.empty() && !parser.config.hostname.empty()) {
    return UsageError(
        "meta-data=FILE and hostname=NAME contradict each other: write local-hostname: {} into "
        "that file",
        parser.config.hostname);
  }
  return parser.config;
}

}  // namespace veneer
