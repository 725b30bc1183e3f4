// Attributes of segments: xen/hvm/hvm_vcpu.h; Intel SDM vol. 3, 3.4.5.
#include "vcpu_context.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "veneer/vmm/vcpu/registers.h"

namespace veneer {
namespace {

constexpr unsigned kReadWrite = 0x2;  // readable code, writable data
constexpr unsigned kCode = 0x8;
constexpr unsigned kBusyTss = 0xb;

struct Attributes {
  explicit constexpr Attributes(std::uint16_t bits)
      : none(bits == 0),
        type(bits & 0xfU),
        application((bits >> 4U & 1U) != 0),
        level(bits >> 5U & 3U),
        present((bits >> 7U & 1U) != 0),
        granular((bits >> 11U & 1U) != 0),
        unused(bits >> 12U) {}

  bool none;
  unsigned type;
  bool application;  // code or data
  unsigned level;
  bool present;
  bool granular;
  unsigned unused;
};

bool Usable(const Attributes& segment) {
  return segment.unused == 0 && segment.present && segment.application;
}
bool IsCode(const Attributes& cs) { return Usable(cs) && (cs.type & kCode) != 0; }
bool IsStack(const Attributes& ss) {
  return Usable(ss) && (ss.type & (kCode | kReadWrite)) == kReadWrite;
}
// Or none at all.
bool IsData(const Attributes& data, const Attributes& cs) {
  return data.none ||
         (Usable(data) && (data.type & (kCode | kReadWrite)) != kCode && data.level <= cs.level);
}
// Busy or not.
bool IsTask(const Attributes& tr) {
  return tr.unused == 0 && tr.present && !tr.application && (tr.type | kReadWrite) == kBusyTss;
}

bool IsValid(const vcpu_hvm_x86_32& registers) {
  const bool blank =
      registers.pad1 == 0 && std::all_of(std::begin(registers.pad2), std::end(registers.pad2),
                                         [](std::uint16_t pad) { return pad == 0; });
  const Attributes cs(registers.cs_ar);
  const Attributes ss(registers.ss_ar);
  const std::uint32_t limit = cs.granular ? registers.cs_limit << 12U | 0xfffU : registers.cs_limit;
  const bool long_mode = (registers.efer & kEferLongModeEnable) != 0;
  return blank && IsCode(cs) && IsStack(ss) && ss.level == cs.level &&
         IsData(Attributes(registers.ds_ar), cs) && IsData(Attributes(registers.es_ar), cs) &&
         IsTask(Attributes(registers.tr_ar)) && registers.eip <= limit &&
         (long_mode || (registers.efer & kEferLongModeActive) == 0);
}

bool IsValid(const vcpu_hvm_x86_64& registers) {
  // Canonical with 48 bits: the upper 17 are all the same.
  const std::uint64_t upper = registers.rip >> 47U;
  return (upper == 0 || upper == 0x1ffffU) && (registers.cr0 & kCr0Paging) != 0 &&
         (registers.cr4 & kCr4PhysicalAddressExtension) != 0 &&
         (registers.efer & kEferLongModeEnable) != 0;
}

}  // namespace

bool IsValidContext(const vcpu_hvm_context_t& context) {
  if (context.pad != 0) {
    return false;
  }
  switch (context.mode) {
    case VCPU_HVM_MODE_32B:
      return IsValid(context.cpu_regs.x86_32);
    case VCPU_HVM_MODE_64B:
      return IsValid(context.cpu_regs.x86_64);
    default:
      return false;
  }
}

}  // namespace veneer
