#include "veneer/xencompat/xenstore/xs_types.h"

#include <fmt/core.h>

namespace veneer {

std::string_view XsErrorName(XsError error) {
  switch (error) {
    case XsError::kInvalid:
      return "EINVAL";
    case XsError::kAccess:
      return "EACCES";
    case XsError::kExists:
      return "EEXIST";
    case XsError::kNotFound:
      return "ENOENT";
    case XsError::kNoSpace:
      return "ENOSPC";
    case XsError::kNotImplemented:
      return "ENOSYS";
    case XsError::kBusy:
      return "EBUSY";
    case XsError::kAgain:
      return "EAGAIN";
    case XsError::kTooBig:
      return "E2BIG";
    case XsError::kNotPermitted:
      return "EPERM";
  }
  return "EINVAL";
}

XsPermissions XsPrivate(DomId owner) { return {{owner, XsAccess::kNone}}; }

XsPermissions XsShared(DomId owner, DomId other, XsAccess other_access) {
  return {{owner, XsAccess::kNone}, {other, other_access}};
}

std::string XsDomainPath(DomId domain) { return fmt::format("/local/domain/{}", domain.value); }

}  // namespace veneer
