#include "instruction_context.h"

#include <algorithm>

#include "fpu_state.h"

namespace veneer {
namespace {

constexpr std::uint64_t kLow32 = 0xffffffff;

// Zydis numbers general registers of one width like the machine does.
std::size_t RegisterIndex(ZydisRegister reg) {
  return static_cast<std::size_t>(ZydisRegisterGetId(
             ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg))) &
         15U;
}

bool IsGeneralRegister(ZydisRegister reg) {
  return ZydisRegisterGetClass(ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg)) ==
         ZYDIS_REGCLASS_GPR64;
}

const Segment& SegmentOf(const SystemRegisters& system, ZydisRegister reg) {
  switch (reg) {
    case ZYDIS_REGISTER_CS:
      return system.cs;
    case ZYDIS_REGISTER_SS:
      return system.ss;
    case ZYDIS_REGISTER_ES:
      return system.es;
    case ZYDIS_REGISTER_FS:
      return system.fs;
    case ZYDIS_REGISTER_GS:
      return system.gs;
    default:
      return system.ds;
  }
}

unsigned CurrentPrivilege(const SystemRegisters& system, std::uint64_t rflags) {
  constexpr std::uint64_t kRflagsVirtual8086 = 1U << 17;
  if ((system.cr0 & kCr0ProtectedMode) == 0) {
    return 0;
  }
  return (rflags & kRflagsVirtual8086) != 0 ? 3 : system.cs.selector & 3U;
}

// Outside 64-bit mode. Expand-down segments are as good as unused; they are not checked.
bool BeyondLimit(const Segment& segment, std::uint64_t offset, std::size_t size) {
  constexpr std::uint8_t kCode = 8;
  constexpr std::uint8_t kExpandDown = 4;
  const bool expand_down = (segment.type & (kCode | kExpandDown)) == kExpandDown;
  return !expand_down && offset + size - 1 > segment.limit;
}

std::uint64_t TruncateTo(std::uint64_t value, unsigned bits) {
  return bits >= 64 ? value : value & ((std::uint64_t{1} << bits) - 1);
}

}  // namespace

bool IsCanonical(std::uint64_t address, const SystemRegisters& system) {
  const unsigned bits = (system.cr4 & kCr4FiveLevelPaging) != 0 ? 57 : 48;
  const auto top = static_cast<std::int64_t>(address) >> (bits - 1);
  return top == 0 || top == -1;
}

InstructionContext::InstructionContext(Vcpu& vcpu, GuestMemory& memory)
    : vcpu_(vcpu),
      original_(vcpu.GetRegisters()),
      registers_(original_),
      system_(vcpu.GetSystemRegisters()),
      mode_(CurrentCodeMode(system_)),
      cpl_(CurrentPrivilege(system_, original_.rflags)),
      memory_(memory, system_) {
  memory_.SetPrivilege(original_.rflags, cpl_);
}

std::optional<Completion> InstructionContext::Fetch(std::span<const std::uint8_t> known) {
  std::ranges::copy(known, bytes_.begin());
  Decoding decoding = Decode(mode_, known);
  if (std::holds_alternative<TooFewBytes>(decoding)) {
    Completion failure = NotKnown{};
    const std::size_t length = FetchFromMemory(failure);
    decoding = Decode(mode_, std::span(bytes_).first(length));
    if (std::holds_alternative<TooFewBytes>(decoding)) {
      return failure;
    }
  }
  if (const auto* instruction = std::get_if<Instruction>(&decoding)) {
    instruction_ = *instruction;
    return std::nullopt;
  }
  return NotKnown{};
}

// Returns how many bytes could be read; `failure` says why there are not more.
std::size_t InstructionContext::FetchFromMemory(Completion& failure) {
  const bool wide = mode_ == CodeMode::k64;
  const std::uint64_t start =
      wide ? original_.rip : (system_.cs.base + (original_.rip & kLow32)) & kLow32;
  std::size_t done = 0;
  while (done < bytes_.size()) {
    const std::uint64_t address = start + done;
    const std::size_t length =
        std::min(bytes_.size() - done, kPageSize - (address & (kPageSize - 1)));
    const LinearMemory::Resolved range = memory_.Resolve(address, length, AccessKind::kFetch);
    if (!range) {
      failure = range.error();
      break;
    }
    range->CopyOut(std::as_writable_bytes(std::span(bytes_).subspan(done, length)));
    done += length;
  }
  return done;
}

const XsaveArea& InstructionContext::fpu() {
  if (!fpu_) {
    fpu_ = vcpu_.GetXsave();
    FillInitialLegacyState(*fpu_);
  }
  return *fpu_;
}

XsaveArea& InstructionContext::ChangeFpu() {
  fpu();
  fpu_changed_ = true;
  return *fpu_;
}

std::uint64_t InstructionContext::ReadRegister(ZydisRegister reg) const {
  const ZyanU16 width = ZydisRegisterGetWidth(ZYDIS_MACHINE_MODE_LONG_64, reg);
  return TruncateTo(registers_.gpr[RegisterIndex(reg)], width);
}

void InstructionContext::WriteRegister(ZydisRegister reg, std::uint64_t value) {
  const ZyanU16 width = ZydisRegisterGetWidth(ZYDIS_MACHINE_MODE_LONG_64, reg);
  std::uint64_t& target = registers_.gpr[RegisterIndex(reg)];
  if (width >= 32) {
    target = TruncateTo(value, width);
    return;
  }
  const std::uint64_t mask = (std::uint64_t{1} << width) - 1;
  target = (target & ~mask) | (value & mask);
}

std::variant<std::uint64_t, Faulted> InstructionContext::LinearAddress(
    const ZydisDecodedOperand& operand, std::size_t size) const {
  const ZydisDecodedOperandMem& mem = operand.mem;
  std::uint64_t offset =
      mem.disp.has_displacement == ZYAN_TRUE ? static_cast<std::uint64_t>(mem.disp.value) : 0;
  if (mem.base == ZYDIS_REGISTER_RIP || mem.base == ZYDIS_REGISTER_EIP) {
    offset += original_.rip + instruction_.info.length;
  } else if (IsGeneralRegister(mem.base)) {
    offset += ReadRegister(mem.base);
  }
  if (IsGeneralRegister(mem.index)) {
    offset += ReadRegister(mem.index) * std::max<std::uint64_t>(mem.scale, 1);
  }
  offset = TruncateTo(offset, instruction_.info.address_width);
  const Segment& segment = SegmentOf(system_, mem.segment);
  const bool stack = mem.segment == ZYDIS_REGISTER_SS;
  const Faulted fault{Exception{stack ? kVectorStackFault : kVectorGeneralProtection, 0},
                      std::nullopt};
  if (mode_ == CodeMode::k64) {
    const bool based = mem.segment == ZYDIS_REGISTER_FS || mem.segment == ZYDIS_REGISTER_GS;
    const std::uint64_t linear = based ? segment.base + offset : offset;
    if (!IsCanonical(linear, system_) || !IsCanonical(linear + size - 1, system_)) {
      return fault;
    }
    return linear;
  }
  if (BeyondLimit(segment, offset, size)) {
    return fault;
  }
  return (segment.base + offset) & kLow32;
}

LinearMemory::Resolved InstructionContext::Resolve(const ZydisDecodedOperand& operand,
                                                   std::size_t size, AccessKind access,
                                                   std::size_t alignment) const {
  const auto address = LinearAddress(operand, size);
  if (const auto* faulted = std::get_if<Faulted>(&address)) {
    return tl::unexpected<Completion>(*faulted);
  }
  const std::uint64_t linear = std::get<std::uint64_t>(address);
  if ((linear & (alignment - 1)) != 0) {
    return tl::unexpected<Completion>(GeneralProtection());
  }
  return memory_.Resolve(linear, size, access);
}

bool InstructionContext::Commit(const Completion& completion) {
  if (const auto* completed = std::get_if<Completed>(&completion)) {
    return CommitCompleted(*completed);
  }
  if (const auto* faulted = std::get_if<Faulted>(&completion)) {
    CommitFault(*faulted);
    return true;
  }
  return false;
}

bool InstructionContext::CommitCompleted(const Completed& completed) {
  if (fpu_changed_) {
    // KVM takes MXCSR only along with SSE (or AVX) state.
    const auto in_use = LoadField<std::uint64_t>(*fpu_, kXsaveStateBv);
    StoreField<std::uint64_t>(*fpu_, kXsaveStateBv, in_use | kXfeatureSse);
  }
  if ((fpu_changed_ && !vcpu_.SetXsave(*fpu_)) ||
      (system_changed_ && !vcpu_.SetSystemRegisters(system_))) {
    return false;
  }
  registers_.rip = original_.rip + instruction_.info.length;
  if (mode_ != CodeMode::k64) {
    registers_.rip &= kLow32;
  }
  registers_.rflags &= ~kRflagsResume;
  // KVM has queued a #UD for an instruction it could not emulate; setting the registers drops it.
  vcpu_.SetRegisters(registers_);
  if (completed.trap) {
    vcpu_.InjectException(*completed.trap);
  } else if ((original_.rflags & kRflagsTrap) != 0) {
    vcpu_.InjectException(Exception{kVectorDebug, std::nullopt});
  }
  return true;
}

void InstructionContext::CommitFault(const Faulted& faulted) {
  if (faulted.cr2) {
    SystemRegisters system = vcpu_.GetSystemRegisters();
    system.cr2 = *faulted.cr2;
    // Only CR2 differs from what the vCPU has already.
    static_cast<void>(vcpu_.SetSystemRegisters(system));
  }
  vcpu_.SetRegisters(original_);
  vcpu_.InjectException(faulted.exception);
}

}  // namespace veneer
