#include "xsave_layout.h"

#include <cpuid.h>

#include "fpu_state.h"

namespace veneer {
namespace {

constexpr unsigned kXsaveLeaf = 0xd;
constexpr unsigned kFirstExtended = 2;
constexpr std::size_t kAlignment = 64;

std::size_t AlignUp(std::size_t offset) { return (offset + kAlignment - 1) & ~(kAlignment - 1); }

}  // namespace

XsaveLayout XsaveLayout::FromHost() {
  XsaveLayout layout;
  layout.known_ = kXfeatureX87 | kXfeatureSse;
  for (unsigned number = kFirstExtended; number < kComponents; ++number) {
    unsigned size = 0;
    unsigned offset = 0;
    unsigned flags = 0;
    unsigned reserved = 0;
    if (__get_cpuid_count(kXsaveLeaf, number, &size, &offset, &flags, &reserved) == 0) {
      break;
    }
    XsaveComponent& component = layout.components_[number];
    component.standard_offset = offset;
    component.size = size;
    component.supervisor = (flags & 1U) != 0;
    component.aligned = (flags & 2U) != 0;
    const bool fits = offset >= kXsaveExtended && offset + size <= XsaveArea{}.size();
    if (size != 0 && !component.supervisor && fits) {
      layout.known_ |= std::uint64_t{1} << number;
    }
  }
  return layout;
}

const XsaveComponent* XsaveLayout::Find(unsigned number) const {
  if (number < kFirstExtended || number >= kComponents || (known_ >> number & 1U) == 0) {
    return nullptr;
  }
  return &components_[number];
}

std::size_t XsaveLayout::CompactedOffset(unsigned number, std::uint64_t present) const {
  std::size_t offset = kXsaveExtended;
  for (unsigned i = kFirstExtended; i < kComponents; ++i) {
    const XsaveComponent& component = components_[i];
    const bool here = (present >> i & 1U) != 0;
    if (here && component.aligned) {
      offset = AlignUp(offset);
    }
    if (i == number) {
      break;
    }
    if (here) {
      offset += component.size;
    }
  }
  return offset;
}

const XsaveLayout& HostXsaveLayout() {
  static const XsaveLayout layout = XsaveLayout::FromHost();
  return layout;
}

}  // namespace veneer
