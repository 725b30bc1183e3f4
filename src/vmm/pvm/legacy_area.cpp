#include "legacy_area.h"

#include <algorithm>

namespace veneer {
namespace {

constexpr std::size_t kRegisterStride = 16;
constexpr std::size_t kX87RegisterSize = 10;
constexpr std::size_t kX87Registers = 8;

std::size_t XmmBytes(LegacyForm form) { return (form.all_xmm ? 16 : 8) * kRegisterStride; }

void Copy(std::span<const std::byte> from, std::span<std::byte> to, std::size_t offset,
          std::size_t length) {
  std::ranges::copy(from.subspan(offset, length), to.subspan(offset, length).begin());
}

}  // namespace

LegacyForm LegacyFormOf(const InstructionContext& context) {
  LegacyForm form;
  form.all_xmm = context.mode() == CodeMode::k64;
  form.wide_pointers = form.all_xmm && context.instruction().info.operand_width == 64;
  return form;
}

void SaveX87(const XsaveArea& area, std::span<std::byte> image, LegacyForm form) {
  Copy(area, image, kFxControlWord, kFxMxcsr);
  if (!form.wide_pointers) {
    // The upper halves are selectors there, and zero on processors that no longer keep them.
    StoreField<std::uint32_t>(image, kFxInstructionPointer + 4, 0);
    StoreField<std::uint32_t>(image, kFxDataPointer + 4, 0);
  }
  Copy(area, image, kFxRegisters, kX87Registers * kRegisterStride);
}

void SaveMxcsr(const XsaveArea& area, std::span<std::byte> image) {
  StoreField<std::uint32_t>(image, kFxMxcsr, LoadField<std::uint32_t>(area, kFxMxcsr));
  StoreField<std::uint32_t>(image, kFxMxcsrMask, MxcsrMask());
}

void SaveXmm(const XsaveArea& area, std::span<std::byte> image, LegacyForm form) {
  Copy(area, image, kFxXmm, XmmBytes(form));
}

void RestoreX87(std::span<const std::byte> image, XsaveArea& area, LegacyForm form) {
  const std::span<std::byte> state(area);
  Copy(image, state, kFxControlWord, kFxMxcsr);
  state[kFxTagWord + 1] = std::byte{0};
  if (!form.wide_pointers) {
    StoreField<std::uint32_t>(state, kFxInstructionPointer + 4, 0);
    StoreField<std::uint32_t>(state, kFxDataPointer + 4, 0);
  }
  for (std::size_t i = 0; i < kX87Registers; ++i) {
    Copy(image, state, kFxRegisters + i * kRegisterStride, kX87RegisterSize);
  }
  UpdateX87Summary(area);
}

bool RestoreMxcsr(std::span<const std::byte> image, XsaveArea& area) {
  const auto mxcsr = LoadField<std::uint32_t>(image, kFxMxcsr);
  if ((mxcsr & ~MxcsrMask()) != 0) {
    return false;
  }
  StoreField<std::uint32_t>(area, kFxMxcsr, mxcsr);
  return true;
}

void RestoreXmm(std::span<const std::byte> image, XsaveArea& area, LegacyForm form) {
  Copy(image, area, kFxXmm, XmmBytes(form));
}

}  // namespace veneer
