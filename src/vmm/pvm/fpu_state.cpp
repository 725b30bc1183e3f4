#include "fpu_state.h"

#include <algorithm>
#include <array>

namespace veneer {
namespace {

constexpr std::uint16_t kX87Exceptions = 0x3f;
constexpr std::uint16_t kX87SummaryBits = 0x8080;  // ES and B

std::uint32_t ReadMxcsrMask() {
  constexpr std::uint32_t kWhenZero = 0xffbf;  // Intel SDM vol. 1, 11.6.6
  alignas(16) std::array<std::byte, kFxSize> area{};
  asm volatile("fxsave64 %0" : "+m"(area));
  const auto mask = LoadField<std::uint32_t>(area, kFxMxcsrMask);
  return mask == 0 ? kWhenZero : mask;
}

}  // namespace

std::uint32_t MxcsrMask() {
  static const std::uint32_t mask = ReadMxcsrMask();
  return mask;
}

void FillInitialLegacyState(XsaveArea& area) {
  const auto in_use = LoadField<std::uint64_t>(area, kXsaveStateBv);
  const std::span<std::byte> bytes(area);
  if ((in_use & kXfeatureX87) == 0) {
    std::ranges::fill(bytes.first(kFxMxcsr), std::byte{0});
    std::ranges::fill(bytes.subspan(kFxRegisters, kFxXmm - kFxRegisters), std::byte{0});
    StoreField<std::uint16_t>(area, kFxControlWord, kControlWordReset);
  }
  if ((in_use & kXfeatureSse) == 0) {
    std::ranges::fill(bytes.subspan(kFxXmm, kFxXmmEnd - kFxXmm), std::byte{0});
  }
}

bool X87ErrorPending(const XsaveArea& area) {
  const auto control = LoadField<std::uint16_t>(area, kFxControlWord);
  const auto status = LoadField<std::uint16_t>(area, kFxStatusWord);
  return (status & ~control & kX87Exceptions) != 0;
}

void UpdateX87Summary(XsaveArea& area) {
  auto status = LoadField<std::uint16_t>(area, kFxStatusWord);
  status = static_cast<std::uint16_t>(status & ~kX87SummaryBits);
  if (X87ErrorPending(area)) {
    status |= kX87SummaryBits;
  }
  StoreField<std::uint16_t>(area, kFxStatusWord, status);
}

}  // namespace veneer
