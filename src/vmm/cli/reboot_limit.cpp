#include "reboot_limit.h"

#include "veneer/vmm/base/option_list.h"

namespace veneer {

bool RebootLimit::Allow(std::uint64_t now_ns) {
  if (rate_.reboots == 0) {
    return true;
  }
  const std::uint64_t window_ns = rate_.seconds * std::uint64_t{1'000'000'000};
  while (!recent_.empty() && now_ns - recent_.front() >= window_ns) {
    recent_.pop_front();
  }
  if (recent_.size() >= rate_.reboots) {
    return false;
  }
  recent_.push_back(now_ns);
  return true;
}

Result<RebootLimit::Rate> ParseRebootRate(std::string_view text) {
  constexpr std::uint64_t kMostReboots = 10'000;
  constexpr std::uint64_t kMostSeconds = 86'400;
  if (text == "off") {
    return RebootLimit::Rate{.reboots = 0};
  }
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) {
    return UsageError("'{}' is neither off nor REBOOTS/SECONDS, such as 20/10", text);
  }
  VENEER_TRY_ASSIGN(const std::uint64_t reboots,
                    ParseOptionNumber("REBOOTS", text.substr(0, slash), 1, kMostReboots));
  VENEER_TRY_ASSIGN(const std::uint64_t seconds,
                    ParseOptionNumber("SECONDS", text.substr(slash + 1), 1, kMostSeconds));
  return RebootLimit::Rate{static_cast<unsigned>(reboots), static_cast<unsigned>(seconds)};
}

}  // namespace veneer
