#include "veneer/vmm/base/option_list.h"

#include <charconv>
#include <limits>

namespace veneer {
namespace {

// What a number may be followed by: powers of the unit.
constexpr std::string_view kUnits = "KMGT";

}  // namespace

std::optional<std::uint64_t> ParseWhole(std::string_view text) {
  std::uint64_t value = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  return error == std::errc() && end == last ? std::optional(value) : std::nullopt;
}

std::vector<std::string> SplitOptionList(std::string_view text) {
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

std::string DoubleCommas(std::string_view part) {
  std::string text;
  for (const char c : part) {
    text.append(c == ',' ? 2 : 1, c);
  }
  return text;
}

Result<std::string> ChangeOptionValues(
    std::string_view text,
    const std::function<Result<std::string>(std::string_view, std::string_view)>& change) {
  std::string result;
  for (const std::string& part : SplitOptionList(text)) {
    result += result.empty() ? "" : ",";
    const std::size_t equals = part.find('=');
    if (equals == std::string::npos) {
      result += DoubleCommas(part);
      continue;
    }
    const std::string_view name = std::string_view(part).substr(0, equals);
    VENEER_TRY_ASSIGN(const std::string value,
                      change(name, std::string_view(part).substr(equals + 1)));
    result += DoubleCommas(name) + "=" + DoubleCommas(value);
  }
  return result;
}

Result<std::uint64_t> ParseOptionNumber(std::string_view key, std::string_view text,
                                        std::uint64_t least, std::uint64_t most) {
  const std::optional<std::uint64_t> value = ParseWhole(text);
  if (!value || *value < least || *value > most) {
    return UsageError("{}={} is not a whole number from {} to {}", key, text, least, most);
  }
  return *value;
}

std::optional<std::uint64_t> ParseScaled(std::string_view text, std::uint64_t unit,
                                         std::uint64_t plain) {
  std::uint64_t factor = plain;
  if (!text.empty()) {
    const char last = text.back();
    const std::size_t power = kUnits.find(last >= 'a' ? static_cast<char>(last - 'a' + 'A') : last);
    if (power != std::string_view::npos) {
      text.remove_suffix(1);
      factor = unit;
      for (std::size_t i = 0; i < power; ++i) {
        factor *= unit;
      }
    }
  }
  const std::optional<std::uint64_t> value = ParseWhole(text);
  if (!value || *value > std::numeric_limits<std::uint64_t>::max() / factor) {
    return std::nullopt;
  }
  return *value * factor;
}

std::optional<std::uint64_t> ParseBytes(std::string_view text, std::uint64_t plain) {
  constexpr std::uint64_t kKilo = 1024;
  if (!text.ends_with('B')) {
    return ParseScaled(text, kKilo, plain);
  }
  text.remove_suffix(1);
  const bool binary = text.ends_with('i');
  if (binary) {
    text.remove_suffix(1);
  }
  const bool digit = !text.empty() && text.back() >= '0' && text.back() <= '9';
  return binary && digit ? std::nullopt : ParseScaled(text, kKilo, 1);
}

Result<std::uint64_t> ParseOptionRate(std::string_view key, std::string_view text,
                                      std::uint64_t unit) {
  const std::optional<std::uint64_t> value = ParseScaled(text, unit, 1);
  if (value.value_or(0) == 0) {
    return UsageError("{}={} is not a number above 0 (with K, M, G or T, if need be)", key, text);
  }
  return *value;
}

Result<bool> ParseOptionSwitch(std::string_view key, std::string_view text) {
  if (text != "on" && text != "off") {
    return UsageError("{}={} is neither on nor off", key, text);
  }
  return text == "on";
}

namespace internal {

Result<OptionPart> SplitOptionPart(std::string_view part) {
  const std::size_t equals = part.find('=');
  const std::string_view name = part.substr(0, equals);
  if (equals == std::string_view::npos) {
    return UsageError("the key {} has no value; write {}=VALUE", name, name);
  }
  return OptionPart{name, part.substr(equals + 1)};
}

tl::unexpected<Error> UnknownKey(std::string_view name,
                                 const std::vector<std::string_view>& known) {
  std::string names;
  for (const std::string_view one : known) {
    names += names.empty() ? "" : ", ";
    names += one;
  }
  return UsageError("there is no key '{}'; the keys are {}", name, names);
}

}  // namespace internal
}  // namespace veneer
