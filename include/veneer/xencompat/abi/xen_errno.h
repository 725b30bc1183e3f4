// What a hypercall handler returns: a value or a Xen errno, as <xen/errno.h> numbers them.
#pragma once

#include <cstdint>
#include <string_view>

#include <tl/expected.hpp>

#include "veneer/xencompat/abi/xen_headers.h"

namespace veneer {

// XEN_EPERM, XEN_EINVAL, ...: positive numbers, the same as Linux's where both have the name.
using XenErrno = ::xen_errno;

// A guest-caused error stays a value: `return XenError(XEN_EINVAL);`.
template <typename T>
using XenResult = tl::expected<T, XenErrno>;

constexpr tl::unexpected<XenErrno> XenError(XenErrno error) {
  return tl::unexpected<XenErrno>(error);
}

// What goes into the guest's RAX: 0 or the negative errno.
constexpr std::int64_t ReturnValue(XenErrno error) { return -static_cast<std::int64_t>(error); }
inline std::int64_t ReturnValue(const XenResult<void>& result) {
  return result ? 0 : ReturnValue(result.error());
}

// "EINVAL", for logs and test failures; "unknown" for a number without a name.
std::string_view XenErrnoName(XenErrno error);

}  // namespace veneer
