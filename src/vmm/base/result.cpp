#include "veneer/vmm/base/result.h"

#include <system_error>

namespace veneer {

tl::unexpected<Error> ErrnoError(int error_number, std::string_view what) {
  return HostError("{}: {}", what, std::generic_category().message(error_number));
}

tl::unexpected<Error> WithContext(Error error, std::string_view context) {
  error.message = fmt::format("{}: {}", context, error.message);
  return tl::unexpected<Error>(std::move(error));
}

}  // namespace veneer
