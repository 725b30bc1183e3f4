#include "parsed_option.h"

#include "veneer/vmm/base/option_list.h"

namespace veneer {

Result<unsigned> ParseSeconds(const std::string& text) {
  constexpr unsigned kYear = 365 * 24 * 3600;
  const std::optional<std::uint64_t> seconds = ParseWhole(text);
  if (!seconds || *seconds > kYear) {
    return UsageError("'{}' is not a number of seconds from 0 to {} (a year)", text, kYear);
  }
  return static_cast<unsigned>(*seconds);
}

}  // namespace veneer
