#include "veneer/xencompat/gnttab/grant_status.h"

#include <cstddef>
#include <iterator>

namespace veneer {
namespace {

// By negated status.
constexpr std::string_view kTexts[] = GNTTABOP_error_msgs;

}  // namespace

std::string_view GrantStatusText(GrantStatus status) {
  const int index = -static_cast<int>(status);
  return index >= 0 && static_cast<std::size_t>(index) < std::size(kTexts)
             ? kTexts[static_cast<std::size_t>(index)]
             : "unknown status";
}

}  // namespace veneer
