#include "native_instruction.h"

#include <algorithm>
#include <span>
#include <variant>

#include "fpu_availability.h"
#include "fpu_state.h"
#include "native_encoding.h"

namespace veneer {
namespace {

constexpr std::uint64_t kStatusFlags =
    kRflagsCarry | kRflagsParity | kRflagsAdjust | kRflagsZero | kRflagsSign | kRflagsOverflow;
constexpr std::uint32_t kMxcsrFlags = 0x3f;
constexpr std::uint32_t kMxcsrMasks = 0x1f80;
constexpr unsigned kMxcsrMaskShift = 7;
constexpr std::uint16_t kX87Exceptions = 0x3f;
// Invalid operation, denormal, division by zero: found before the result is written.
constexpr std::uint16_t kX87BeforeResult = 0x07;
constexpr std::uint16_t kX87SummaryBits = 0x8080;

std::uint64_t& RegisterIn(NativeFrame& frame, Reg reg) {
  return frame.gpr.at(static_cast<std::size_t>(reg));
}

// The guest's state with all exceptions masked, in a form that XRSTOR cannot refuse.
void PrepareFpu(XsaveArea& area) {
  const auto in_use = LoadField<std::uint64_t>(area, kXsaveStateBv);
  std::ranges::fill(std::span(area).subspan(kXsaveStateBv, kXsaveHeaderSize), std::byte{0});
  StoreField<std::uint64_t>(area, kXsaveStateBv, in_use & NativeFpuComponents());
  const auto mxcsr = LoadField<std::uint32_t>(area, kFxMxcsr) & MxcsrMask();
  StoreField<std::uint32_t>(area, kFxMxcsr,
                            (mxcsr & ~(kMxcsrFlags | kMxcsrMisaligned)) | kMxcsrMasks);
  const auto control = LoadField<std::uint16_t>(area, kFxControlWord);
  StoreField<std::uint16_t>(area, kFxControlWord,
                            static_cast<std::uint16_t>(control | kX87Exceptions));
  const auto status = LoadField<std::uint16_t>(area, kFxStatusWord);
  StoreField<std::uint16_t>(area, kFxStatusWord,
                            static_cast<std::uint16_t>(status & ~kX87SummaryBits));
}

}  // namespace

Completion NativeInstructions::Perform(InstructionContext& context) {
  const Prepared* prepared = Prepare(context);
  if (prepared == nullptr) {
    return NotKnown{};
  }
  const NativeTraits& traits = prepared->traits;
  if (!traits.on_this_host) {
    return InvalidOpcode();
  }
  if (auto refused = Check(context, traits)) {
    return *refused;
  }
  std::optional<LinearRange> range;
  if (traits.memory) {
    const LinearMemory::Resolved resolved = context.Resolve(
        context.operand(*traits.memory), traits.memory_size,
        traits.writes_memory ? AccessKind::kWrite : AccessKind::kRead, traits.alignment);
    if (!resolved) {
      return resolved.error();
    }
    range = *resolved;
    range->CopyOut(std::span(frame_.operand).first(traits.memory_size));
  }
  LoadFrame(context, *prepared);
  code_->Run(prepared->slot, frame_);
  bool suppressed = false;
  if (traits.uses_fpu()) {
    if (auto failed = StoreFpu(context, traits, suppressed)) {
      return *failed;
    }
  }
  if (suppressed) {
    return Completed{};
  }
  StoreGeneral(context, *prepared);
  if (range && traits.writes_memory) {
    range->CopyIn(std::span(frame_.operand).first(traits.memory_size));
  }
  return Completed{};
}

// Finds the instruction among those that have run before, or makes it ready.
const NativeInstructions::Prepared* NativeInstructions::Prepare(const InstructionContext& context) {
  Key key{context.mode(), {}};
  std::ranges::copy(context.bytes(), key.second.begin());
  if (const auto known = prepared_.find(key); known != prepared_.end()) {
    return &known->second;
  }
  const std::optional<NativeTraits> traits = NativeTraitsOf(context.instruction());
  if (!traits || (traits->uses_fpu() && NativeFpuComponents() == 0)) {
    return nullptr;
  }
  const std::optional<NativeEncoding> encoding = EncodeForHost(context.instruction());
  if (!code_) {
    code_ = NativeCode::Create();
  }
  if (!encoding || !code_) {
    return nullptr;
  }
  if (prepared_.size() == NativeCode::kSlots) {
    prepared_.clear();
  }
  const std::size_t slot = prepared_.size();
  if (!code_->Write(slot, encoding->code())) {
    // What was there before may be lost as well.
    prepared_.clear();
    return nullptr;
  }
  const Prepared prepared{slot, *traits, encoding->scratch, encoding->stack_pointer};
  return &prepared_.emplace(key, prepared).first->second;
}

std::optional<Completion> NativeInstructions::Check(InstructionContext& context,
                                                    const NativeTraits& traits) {
  struct Need {
    bool needed;
    FpuKind kind;
  };
  const std::array needs = {Need{traits.avx, FpuKind::kAvx}, Need{traits.sse, FpuKind::kSse},
                            Need{traits.mmx, FpuKind::kMmx}, Need{traits.x87, FpuKind::kX87}};
  for (const Need& need : needs) {
    if (need.needed) {
      if (const auto fault = FpuUnavailable(context, need.kind)) {
        return *fault;
      }
    }
  }
  if ((traits.x87 || traits.mmx) && X87ErrorPending(context.fpu())) {
    return (context.system().cr0 & kCr0NumericError) != 0
               ? Completion{WithoutErrorCode(kVectorX87Error)}
               : Completion{NotKnown{}};
  }
  return std::nullopt;
}

void NativeInstructions::LoadFrame(InstructionContext& context, const Prepared& prepared) {
  const Registers& registers = context.registers();
  frame_.gpr = registers.gpr;
  frame_.rflags = (registers.rflags & kStatusFlags) | kRflagsFixed;
  if (prepared.stack_pointer) {
    RegisterIn(frame_, *prepared.stack_pointer) = registers[Reg::kRsp];
  }
  if (prepared.traits.memory) {
    // The processor takes the operand's address from here.
    RegisterIn(frame_, prepared.scratch) = reinterpret_cast<std::uintptr_t>(frame_.operand.data());
  }
  frame_.fpu_components = 0;
  if (prepared.traits.uses_fpu()) {
    frame_.fpu = context.fpu();
    frame_.fpu_components = NativeFpuComponents();
    PrepareFpu(frame_.fpu);
  }
}

// Takes over the FPU state. A Completion: the instruction faulted. `suppressed`: it is done, but
// has no results.
std::optional<Completion> NativeInstructions::StoreFpu(InstructionContext& context,
                                                       const NativeTraits& traits,
                                                       bool& suppressed) {
  const auto before_mxcsr = LoadField<std::uint32_t>(context.fpu(), kFxMxcsr);
  const auto before_control = LoadField<std::uint16_t>(context.fpu(), kFxControlWord);
  const auto before_in_use = LoadField<std::uint64_t>(context.fpu(), kXsaveStateBv);
  const std::uint32_t raised = LoadField<std::uint32_t>(frame_.fpu, kFxMxcsr) & kMxcsrFlags;
  const auto status = LoadField<std::uint16_t>(frame_.fpu, kFxStatusWord);
  XsaveArea& area = context.ChangeFpu();
  if ((raised & ~(before_mxcsr >> kMxcsrMaskShift)) != 0) {
    StoreField<std::uint32_t>(area, kFxMxcsr, before_mxcsr | raised);
    if (!context.vcpu().SetXsave(area)) {
      return NotKnown{};
    }
    const bool reported = (context.system().cr4 & kCr4Osxmmexcpt) != 0;
    return WithoutErrorCode(reported ? kVectorSimdError : kVectorInvalidOpcode);
  }
  suppressed = traits.x87 && (status & ~before_control & kX87BeforeResult) != 0;
  if (suppressed) {
    StoreField<std::uint16_t>(area, kFxStatusWord, status);
  } else {
    const auto pointers = LoadField<std::array<std::uint64_t, 2>>(area, kFxInstructionPointer);
    const auto in_use = LoadField<std::uint64_t>(frame_.fpu, kXsaveStateBv);
    const std::uint64_t ours = NativeFpuComponents();
    const auto header = LoadField<std::array<std::byte, kXsaveHeaderSize>>(area, kXsaveStateBv);
    area = frame_.fpu;
    StoreField<std::array<std::byte, kXsaveHeaderSize>>(area, kXsaveStateBv, header);
    StoreField<std::uint64_t>(area, kXsaveStateBv, (before_in_use & ~ours) | (in_use & ours));
    // Not where the VMM's own code and data lie.
    StoreField<std::array<std::uint64_t, 2>>(area, kFxInstructionPointer, pointers);
    StoreField<std::uint16_t>(area, kFxControlWord, before_control);
    StoreField<std::uint32_t>(area, kFxMxcsr, before_mxcsr | raised);
    FillInitialLegacyState(area);
  }
  UpdateX87Summary(area);
  return std::nullopt;
}

void NativeInstructions::StoreGeneral(InstructionContext& context, const Prepared& prepared) const {
  Registers& registers = context.registers();
  const Registers before = registers;
  registers.gpr = frame_.gpr;
  registers[Reg::kRsp] = before[Reg::kRsp];
  if (prepared.traits.memory) {
    registers[prepared.scratch] = before[prepared.scratch];
  }
  if (prepared.stack_pointer) {
    registers[Reg::kRsp] = frame_.gpr.at(static_cast<std::size_t>(*prepared.stack_pointer));
    registers[*prepared.stack_pointer] = before[*prepared.stack_pointer];
  }
  registers.rflags = (before.rflags & ~kStatusFlags) | (frame_.rflags & kStatusFlags);
}

}  // namespace veneer
