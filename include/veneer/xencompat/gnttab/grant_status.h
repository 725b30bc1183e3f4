// GNTST_* of <xen/grant_table.h> as a type: the per-operation status of grant table calls.
#pragma once

#include <cstdint>
#include <string_view>

#include "veneer/xencompat/abi/xen_headers.h"

namespace veneer {

enum class GrantStatus : std::int16_t {
  kOkay = GNTST_okay,
  kGeneralError = GNTST_general_error,
  kBadDomain = GNTST_bad_domain,
  kBadGntref = GNTST_bad_gntref,
  kBadHandle = GNTST_bad_handle,
  kBadVirtAddr = GNTST_bad_virt_addr,
  kBadDevAddr = GNTST_bad_dev_addr,
  kNoDeviceSpace = GNTST_no_device_space,
  kPermissionDenied = GNTST_permission_denied,
  kBadPage = GNTST_bad_page,
  kBadCopyArg = GNTST_bad_copy_arg,
  kAddressTooBig = GNTST_address_too_big,
  kEagain = GNTST_eagain,
  kNoSpace = GNTST_no_space,
};

// For logs, for example "invalid grant reference".
std::string_view GrantStatusText(GrantStatus status);

}  // namespace veneer
