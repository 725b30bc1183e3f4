#include "veneer/xencompat/abi/xen_errno.h"

#include <iterator>

namespace veneer {
namespace {

struct Name {
  int number;
  std::string_view text;
};

// <xen/errno.h> is a list to be included with a macro of one's own.
constexpr Name kNames[] = {
#define XEN_ERRNO(name, value) {value, #name},
#include <xen/errno.h>
};

}  // namespace

std::string_view XenErrnoName(XenErrno error) {
  for (const Name& name : kNames) {
    if (name.number == static_cast<int>(error)) {
      return name.text;
    }
  }
  return "unknown";
}

}  // namespace veneer
