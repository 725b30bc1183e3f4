#include "call.h"

#include <limits>

namespace veneer {
namespace {

// Where element `index` starts; false if that is beyond the address space.
bool ElementAddress(const Call& call, std::uint64_t array, std::uint64_t index,
                    std::uint64_t& address) {
  const std::uint64_t size = call.Narrow() ? sizeof(std::uint32_t) : sizeof(std::uint64_t);
  const std::uint64_t limit = call.Narrow() ? std::numeric_limits<std::uint32_t>::max()
                                            : std::numeric_limits<std::uint64_t>::max();
  if (array > limit || index > (limit - array) / size) {
    return false;
  }
  address = array + index * size;
  return true;
}

}  // namespace

bool CopyInWord(Call& call, std::uint64_t array, std::uint64_t index, std::uint64_t& value) {
  std::uint64_t address = 0;
  if (!ElementAddress(call, array, index, address)) {
    return false;
  }
  if (!call.Narrow()) {
    return call.memory.Read(address, BytesOf(value));
  }
  std::uint32_t narrow = 0;
  if (!call.memory.Read(address, BytesOf(narrow))) {
    return false;
  }
  value = narrow;
  return true;
}

bool CopyOutWord(Call& call, std::uint64_t array, std::uint64_t index, std::uint64_t value) {
  std::uint64_t address = 0;
  if (!ElementAddress(call, array, index, address)) {
    return false;
  }
  if (!call.Narrow()) {
    return call.memory.Write(address, BytesOf(value));
  }
  const auto narrow = static_cast<std::uint32_t>(value);
  return call.memory.Write(address, BytesOf(narrow));
}

XenResult<void> CheckSelf(std::uint16_t domid) {
  if (domid == DOMID_SELF || domid == kGuestDomId.value) {
    return {};
  }
  return XenError(domid == kHostDomId.value ? XEN_EPERM : XEN_ESRCH);
}

}  // namespace veneer
