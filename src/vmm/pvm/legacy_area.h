// The first 512 bytes of an FXSAVE or XSAVE image, in the forms that the instructions know: with
// 64-bit or with 32-bit pointers, with 16 or 8 XMM registers (Intel SDM vol. 1, 10.5.1).
#pragma once

#include <cstddef>
#include <span>

#include "fpu_state.h"
#include "instruction_context.h"
#include "veneer/vmm/vcpu/registers.h"

namespace veneer {

struct LegacyForm {
  bool wide_pointers = false;  // REX.W
  bool all_xmm = false;        // 64-bit mode
};

// `wide_pointers` for the mnemonics that end in 64.
LegacyForm LegacyFormOf(const InstructionContext& context);

// Guest state to image.
void SaveX87(const XsaveArea& area, std::span<std::byte> image, LegacyForm form);
void SaveMxcsr(const XsaveArea& area, std::span<std::byte> image);
void SaveXmm(const XsaveArea& area, std::span<std::byte> image, LegacyForm form);

// Image to guest state.
void RestoreX87(std::span<const std::byte> image, XsaveArea& area, LegacyForm form);
// False, without effect, if the image sets bits that the processor does not allow.
[[nodiscard]] bool RestoreMxcsr(std::span<const std::byte> image, XsaveArea& area);
void RestoreXmm(std::span<const std::byte> image, XsaveArea& area, LegacyForm form);

}  // namespace veneer
