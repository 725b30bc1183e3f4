#include "parsed_option.h"

#include <charconv>

namespace veneer {

Result<unsigned> ParseSeconds(const std::string& text) {
  constexpr unsigned kYear = 365 * 24 * 3600;
  unsigned seconds = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, seconds);
  if (error != std::errc() || end != last || seconds > kYear) {
    return UsageError("'{}' is not a number of seconds from 0 to {} (a year)", text, kYear);
  }
  return seconds;
}

}  // namespace veneer
