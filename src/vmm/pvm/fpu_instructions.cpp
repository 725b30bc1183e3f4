// FXSAVE, FXRSTOR, MXCSR and the x87 control instructions (Intel SDM vol. 2).
#include <cstdint>

#include "fpu_availability.h"
#include "fpu_state.h"
#include "handlers.h"
#include "legacy_area.h"

namespace veneer {
namespace {

constexpr std::uint64_t kCr0MonitorFpu = 1U << 1;
constexpr std::uint64_t kCr0TaskSwitched = 1U << 3;
constexpr std::size_t kFxAlignment = 16;

void MarkInUse(XsaveArea& area, std::uint64_t components) {
  const auto in_use = LoadField<std::uint64_t>(area, kXsaveStateBv);
  StoreField<std::uint64_t>(area, kXsaveStateBv, in_use | components);
}

// Copies `value` to the memory operand.
template <typename T>
Completion StoreOperand(InstructionContext& context, const T& value) {
  LinearMemory::Resolved range = context.Resolve(context.operand(0), sizeof(T), AccessKind::kWrite);
  if (!range) {
    return range.error();
  }
  range->CopyIn(std::as_bytes(std::span(&value, 1)));
  return Completed{};
}

// Copies the memory operand to `value`.
template <typename T>
Completion LoadOperand(InstructionContext& context, T& value) {
  LinearMemory::Resolved range = context.Resolve(context.operand(0), sizeof(T), AccessKind::kRead);
  if (!range) {
    return range.error();
  }
  range->CopyOut(std::as_writable_bytes(std::span(&value, 1)));
  return Completed{};
}

Completion Fxsave(InstructionContext& context) {
  if (const auto fault = FpuUnavailable(context, FpuKind::kFxsave)) {
    return *fault;
  }
  LinearMemory::Resolved range =
      context.Resolve(context.operand(0), kFxSize, AccessKind::kWrite, kFxAlignment);
  if (!range) {
    return range.error();
  }
  std::array<std::byte, kFxSize> image{};
  range->CopyOut(image);
  const LegacyForm form = LegacyFormOf(context);
  SaveX87(context.fpu(), image, form);
  SaveMxcsr(context.fpu(), image);
  SaveXmm(context.fpu(), image, form);
  range->CopyIn(image);
  return Completed{};
}

Completion Fxrstor(InstructionContext& context) {
  if (const auto fault = FpuUnavailable(context, FpuKind::kFxsave)) {
    return *fault;
  }
  LinearMemory::Resolved range =
      context.Resolve(context.operand(0), kFxSize, AccessKind::kRead, kFxAlignment);
  if (!range) {
    return range.error();
  }
  std::array<std::byte, kFxSize> image{};
  range->CopyOut(image);
  const LegacyForm form = LegacyFormOf(context);
  XsaveArea& area = context.ChangeFpu();
  if (!RestoreMxcsr(image, area)) {
    return GeneralProtection();
  }
  RestoreX87(image, area, form);
  RestoreXmm(image, area, form);
  MarkInUse(area, kXfeatureX87 | kXfeatureSse);
  return Completed{};
}

bool IsVexEncoded(const InstructionContext& context) {
  return context.instruction().info.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;
}

Completion LoadMxcsr(InstructionContext& context) {
  const FpuKind kind = IsVexEncoded(context) ? FpuKind::kAvx : FpuKind::kSse;
  if (const auto fault = FpuUnavailable(context, kind)) {
    return *fault;
  }
  std::uint32_t mxcsr = 0;
  Completion loaded = LoadOperand(context, mxcsr);
  if (!std::holds_alternative<Completed>(loaded)) {
    return loaded;
  }
  if ((mxcsr & ~MxcsrMask()) != 0) {
    return GeneralProtection();
  }
  StoreField<std::uint32_t>(context.ChangeFpu(), kFxMxcsr, mxcsr);
  return Completed{};
}

Completion StoreMxcsr(InstructionContext& context) {
  const FpuKind kind = IsVexEncoded(context) ? FpuKind::kAvx : FpuKind::kSse;
  if (const auto fault = FpuUnavailable(context, kind)) {
    return *fault;
  }
  return StoreOperand(context, LoadField<std::uint32_t>(context.fpu(), kFxMxcsr));
}

Completion Fwait(InstructionContext& context) {
  constexpr std::uint64_t kBoth = kCr0MonitorFpu | kCr0TaskSwitched;
  if ((context.system().cr0 & kBoth) == kBoth) {
    return WithoutErrorCode(kVectorNoFpu);
  }
  if (!X87ErrorPending(context.fpu())) {
    return Completed{};
  }
  // Without CR0.NE the error goes to the interrupt controller of a PC from before 1990.
  return (context.system().cr0 & kCr0NumericError) != 0
             ? Completion{WithoutErrorCode(kVectorX87Error)}
             : Completion{NotKnown{}};
}

Completion InitialiseX87(InstructionContext& context) {
  if (const auto fault = FpuUnavailable(context, FpuKind::kX87)) {
    return *fault;
  }
  XsaveArea& area = context.ChangeFpu();
  StoreField<std::uint16_t>(area, kFxControlWord, kControlWordReset);
  StoreField<std::uint16_t>(area, kFxStatusWord, 0);
  StoreField<std::uint16_t>(area, kFxTagWord, 0);
  StoreField<std::uint16_t>(area, kFxOpcode, 0);
  StoreField<std::uint64_t>(area, kFxInstructionPointer, 0);
  StoreField<std::uint64_t>(area, kFxDataPointer, 0);
  MarkInUse(area, kXfeatureX87);
  return Completed{};
}

Completion ClearX87Exceptions(InstructionContext& context) {
  constexpr std::uint16_t kKept = 0x7f00;
  if (const auto fault = FpuUnavailable(context, FpuKind::kX87)) {
    return *fault;
  }
  XsaveArea& area = context.ChangeFpu();
  const auto status = LoadField<std::uint16_t>(area, kFxStatusWord);
  StoreField<std::uint16_t>(area, kFxStatusWord, static_cast<std::uint16_t>(status & kKept));
  MarkInUse(area, kXfeatureX87);
  return Completed{};
}

Completion StoreControlWord(InstructionContext& context) {
  if (const auto fault = FpuUnavailable(context, FpuKind::kX87)) {
    return *fault;
  }
  return StoreOperand(context, LoadField<std::uint16_t>(context.fpu(), kFxControlWord));
}

Completion LoadControlWord(InstructionContext& context) {
  constexpr std::uint16_t kSettable = 0x1f3f;
  constexpr std::uint16_t kAlwaysSet = 0x40;
  if (const auto fault = FpuUnavailable(context, FpuKind::kX87)) {
    return *fault;
  }
  if (X87ErrorPending(context.fpu())) {
    return Fwait(context);
  }
  std::uint16_t control = 0;
  Completion loaded = LoadOperand(context, control);
  if (!std::holds_alternative<Completed>(loaded)) {
    return loaded;
  }
  XsaveArea& area = context.ChangeFpu();
  StoreField<std::uint16_t>(area, kFxControlWord,
                            static_cast<std::uint16_t>((control & kSettable) | kAlwaysSet));
  UpdateX87Summary(area);
  MarkInUse(area, kXfeatureX87);
  return Completed{};
}

Completion StoreStatusWord(InstructionContext& context) {
  if (const auto fault = FpuUnavailable(context, FpuKind::kX87)) {
    return *fault;
  }
  const auto status = LoadField<std::uint16_t>(context.fpu(), kFxStatusWord);
  if (context.operand(0).type == ZYDIS_OPERAND_TYPE_REGISTER) {
    context.WriteRegister(context.operand(0).reg.value, status);
    return Completed{};
  }
  return StoreOperand(context, status);
}

}  // namespace

InstructionHandler FindFpuInstruction(ZydisMnemonic mnemonic) {
  switch (mnemonic) {
    case ZYDIS_MNEMONIC_FXSAVE:
    case ZYDIS_MNEMONIC_FXSAVE64:
      return Fxsave;
    case ZYDIS_MNEMONIC_FXRSTOR:
    case ZYDIS_MNEMONIC_FXRSTOR64:
      return Fxrstor;
    case ZYDIS_MNEMONIC_LDMXCSR:
    case ZYDIS_MNEMONIC_VLDMXCSR:
      return LoadMxcsr;
    case ZYDIS_MNEMONIC_STMXCSR:
    case ZYDIS_MNEMONIC_VSTMXCSR:
      return StoreMxcsr;
    case ZYDIS_MNEMONIC_FWAIT:
      return Fwait;
    case ZYDIS_MNEMONIC_FNINIT:
      return InitialiseX87;
    case ZYDIS_MNEMONIC_FNCLEX:
      return ClearX87Exceptions;
    case ZYDIS_MNEMONIC_FNSTCW:
      return StoreControlWord;
    case ZYDIS_MNEMONIC_FLDCW:
      return LoadControlWord;
    case ZYDIS_MNEMONIC_FNSTSW:
      return StoreStatusWord;
    default:
      return nullptr;
  }
}

}  // namespace veneer
