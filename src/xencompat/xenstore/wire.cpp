#include "wire.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include <fmt/core.h>

namespace veneer {

std::string EncodeMessage(xsd_sockmsg header, std::string_view payload) {
  header.len = static_cast<std::uint32_t>(payload.size());
  std::string bytes(sizeof header + payload.size(), '\0');
  std::memcpy(bytes.data(), &header, sizeof header);
  payload.copy(bytes.data() + sizeof header, payload.size());
  return bytes;
}

std::optional<WireMessage> WireParser::Feed(std::span<const std::byte>* input) {
  if (failed_) {
    return std::nullopt;
  }
  if (header_bytes_ < sizeof message_.header) {
    const std::size_t count = std::min(sizeof message_.header - header_bytes_, input->size());
    const auto header = std::as_writable_bytes(std::span(&message_.header, 1));
    std::copy_n(input->begin(), count, header.subspan(header_bytes_).begin());
    header_bytes_ += count;
    *input = input->subspan(count);
    if (header_bytes_ < sizeof message_.header) {
      return std::nullopt;
    }
    if (message_.header.len > XENSTORE_PAYLOAD_MAX) {
      failed_ = true;
      return std::nullopt;
    }
  }
  const std::size_t missing = message_.header.len - message_.payload.size();
  const auto part = input->first(std::min(missing, input->size()));
  std::transform(part.begin(), part.end(), std::back_inserter(message_.payload),
                 [](std::byte b) { return static_cast<char>(b); });
  *input = input->subspan(part.size());
  if (message_.payload.size() < message_.header.len) {
    return std::nullopt;
  }
  header_bytes_ = 0;
  return std::exchange(message_, WireMessage{});
}

std::vector<std::string_view> SplitStrings(std::string_view payload) {
  std::vector<std::string_view> strings;
  for (std::size_t end = payload.find('\0'); end != std::string_view::npos;
       end = payload.find('\0')) {
    strings.push_back(payload.substr(0, end));
    payload.remove_prefix(end + 1);
  }
  return strings;
}

std::optional<std::string_view> SingleString(std::string_view payload) {
  if (payload.empty() || payload.find('\0') != payload.size() - 1) {
    return std::nullopt;
  }
  return payload.substr(0, payload.size() - 1);
}

std::string EncodePermission(const XsPermission& permission) {
  constexpr std::string_view kLetters = "nrwb";
  return fmt::format("{}{}", kLetters[static_cast<std::size_t>(permission.access)],
                     permission.domain.value);
}

std::optional<XsPermission> ParsePermission(std::string_view text) {
  if (text.empty()) {
    return std::nullopt;
  }
  const auto domain = ParseDomain(text.substr(1));
  if (!domain) {
    return std::nullopt;
  }
  switch (text.front()) {
    case 'n':
      return XsPermission{*domain, XsAccess::kNone};
    case 'r':
      return XsPermission{*domain, XsAccess::kRead};
    case 'w':
      return XsPermission{*domain, XsAccess::kWrite};
    case 'b':
      return XsPermission{*domain, XsAccess::kBoth};
    default:
      return std::nullopt;
  }
}

std::optional<DomId> ParseDomain(std::string_view text) {
  std::uint16_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return DomId{value};
}

}  // namespace veneer
