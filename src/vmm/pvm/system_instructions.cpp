// Traps, flags, segment bases, TLB and cache control (Intel SDM vol. 2).
#include <cstdint>
#include <optional>

#include "fpu_state.h"
#include "handlers.h"
#include "xsave_layout.h"

namespace veneer {
namespace {

constexpr std::uint64_t kCr4PageGlobal = 1U << 7;
constexpr std::uint64_t kCr4FsGsBase = 1U << 16;
constexpr std::uint64_t kCr4Pcid = 1U << 17;
constexpr std::uint64_t kCr4ProtectionKeys = 1U << 22;
constexpr std::uint64_t kCr4TimeStampDisable = 1U << 2;
constexpr std::uint32_t kMsrTimeStampCounter = 0x10;
constexpr std::uint32_t kMsrTscAux = 0xc0000103;
constexpr std::uint64_t kStatusFlags =
    kRflagsCarry | kRflagsParity | kRflagsAdjust | kRflagsZero | kRflagsSign | kRflagsOverflow;

std::uint64_t Low32(std::uint64_t value) { return value & 0xffffffff; }
std::uint64_t High32(std::uint64_t value) { return value >> 32U; }

Completion Nothing(InstructionContext&) { return Completed{}; }

Completion Breakpoint(InstructionContext&) {
  return Completed{Exception{kVectorBreakpoint, std::nullopt}};
}

Completion DebugTrap(InstructionContext&) {
  return Completed{Exception{kVectorDebug, std::nullopt}};
}

Completion Undefined(InstructionContext&) { return InvalidOpcode(); }

Completion ClearAlignmentCheck(InstructionContext& context) {
  if (context.cpl() != 0) {
    return InvalidOpcode();
  }
  context.registers().rflags &= ~kRflagsAlignmentCheck;
  return Completed{};
}

Completion SetAlignmentCheck(InstructionContext& context) {
  if (context.cpl() != 0) {
    return InvalidOpcode();
  }
  context.registers().rflags |= kRflagsAlignmentCheck;
  return Completed{};
}

Completion ClearDirection(InstructionContext& context) {
  constexpr std::uint64_t kRflagsDirection = 1U << 10;
  context.registers().rflags &= ~kRflagsDirection;
  return Completed{};
}

// Nothing is cached here, but the address is checked as for a load.
Completion FlushLine(InstructionContext& context) {
  const LinearMemory::Resolved range = context.Resolve(context.operand(0), 1, AccessKind::kRead);
  const bool faulted = !range && std::holds_alternative<Faulted>(range.error());
  return faulted ? range.error() : Completion{Completed{}};
}

// A wait may end early for any reason; CF says whether the time limit did it.
Completion TimedWait(InstructionContext& context) {
  context.registers().rflags &= ~kStatusFlags;
  return Completed{};
}

Completion ReadTscAux(InstructionContext& context) {
  const std::optional<std::uint64_t> value = context.vcpu().GetMsr(kMsrTscAux);
  if (!value) {
    return InvalidOpcode();
  }
  context.WriteRegister(context.operand(0).reg.value, Low32(*value));
  return Completed{};
}

Completion ReadTscAndAux(InstructionContext& context) {
  if (context.cpl() != 0 && (context.system().cr4 & kCr4TimeStampDisable) != 0) {
    return GeneralProtection();
  }
  const std::optional<std::uint64_t> aux = context.vcpu().GetMsr(kMsrTscAux);
  const std::optional<std::uint64_t> tsc = context.vcpu().GetMsr(kMsrTimeStampCounter);
  if (!aux || !tsc) {
    return InvalidOpcode();
  }
  Registers& registers = context.registers();
  registers[Reg::kRax] = Low32(*tsc);
  registers[Reg::kRdx] = High32(*tsc);
  registers[Reg::kRcx] = Low32(*aux);
  return Completed{};
}

bool SegmentBasesAllowed(const InstructionContext& context) {
  return context.mode() == CodeMode::k64 && (context.system().cr4 & kCr4FsGsBase) != 0;
}

Completion ReadSegmentBase(InstructionContext& context) {
  if (!SegmentBasesAllowed(context)) {
    return InvalidOpcode();
  }
  const SystemRegisters& system = context.system();
  const bool fs = context.mnemonic() == ZYDIS_MNEMONIC_RDFSBASE;
  context.WriteRegister(context.operand(0).reg.value, fs ? system.fs.base : system.gs.base);
  return Completed{};
}

Completion WriteSegmentBase(InstructionContext& context) {
  if (!SegmentBasesAllowed(context)) {
    return InvalidOpcode();
  }
  const std::uint64_t base = context.ReadRegister(context.operand(0).reg.value);
  if (!IsCanonical(base, context.system())) {
    return GeneralProtection();
  }
  const bool fs = context.mnemonic() == ZYDIS_MNEMONIC_WRFSBASE;
  SystemRegisters& system = context.ChangeSystem();
  (fs ? system.fs : system.gs).base = base;
  return Completed{};
}

// KVM forgets what it knows of the guest's page tables when CR4.PGE changes, so change it twice.
bool FlushAllTranslations(InstructionContext& context) {
  SystemRegisters toggled = context.system();
  toggled.cr4 ^= kCr4PageGlobal;
  return context.vcpu().SetSystemRegisters(toggled) &&
         context.vcpu().SetSystemRegisters(context.system());
}

Completion InvalidatePcid(InstructionContext& context) {
  constexpr std::uint64_t kIndividualAddress = 0;
  constexpr std::uint64_t kSingleContext = 1;
  constexpr std::uint64_t kLastType = 3;
  constexpr std::uint64_t kPcidMask = 0xfff;
  struct Descriptor {
    std::uint64_t pcid;
    std::uint64_t address;
  } descriptor{};
  if (context.cpl() != 0) {
    return GeneralProtection();
  }
  const std::uint64_t type = context.ReadRegister(context.operand(0).reg.value);
  LinearMemory::Resolved range =
      context.Resolve(context.operand(1), sizeof(descriptor), AccessKind::kRead);
  if (!range) {
    return range.error();
  }
  range->CopyOut(std::as_writable_bytes(std::span(&descriptor, 1)));
  const bool for_one_pcid = type == kIndividualAddress || type == kSingleContext;
  const bool has_pcids = (context.system().cr4 & kCr4Pcid) != 0;
  if (type > kLastType || (descriptor.pcid & ~kPcidMask) != 0 ||
      (for_one_pcid && descriptor.pcid != 0 && !has_pcids) ||
      (type == kIndividualAddress && !IsCanonical(descriptor.address, context.system()))) {
    return GeneralProtection();
  }
  return FlushAllTranslations(context) ? Completion{Completed{}} : Completion{NotKnown{}};
}

// PKRU lives in the XSAVE area; XsaveLayout knows where.
std::optional<std::size_t> PkruOffset(const InstructionContext& context) {
  const XsaveComponent* pkru = HostXsaveLayout().Find(kXfeaturePkruNumber);
  if ((context.system().cr4 & kCr4ProtectionKeys) == 0 || pkru == nullptr) {
    return std::nullopt;
  }
  return pkru->standard_offset;
}

Completion ReadPkru(InstructionContext& context) {
  const std::optional<std::size_t> offset = PkruOffset(context);
  if (!offset) {
    return InvalidOpcode();
  }
  Registers& registers = context.registers();
  if (Low32(registers[Reg::kRcx]) != 0) {
    return GeneralProtection();
  }
  const XsaveArea& area = context.fpu();
  const auto in_use = LoadField<std::uint64_t>(area, kXsaveStateBv);
  const bool initial = (in_use >> kXfeaturePkruNumber & 1U) == 0;
  registers[Reg::kRax] = initial ? 0 : LoadField<std::uint32_t>(area, *offset);
  registers[Reg::kRdx] = 0;
  return Completed{};
}

Completion WritePkru(InstructionContext& context) {
  const std::optional<std::size_t> offset = PkruOffset(context);
  if (!offset) {
    return InvalidOpcode();
  }
  const Registers& registers = context.registers();
  if (Low32(registers[Reg::kRcx]) != 0 || Low32(registers[Reg::kRdx]) != 0) {
    return GeneralProtection();
  }
  XsaveArea& area = context.ChangeFpu();
  StoreField<std::uint32_t>(area, *offset, static_cast<std::uint32_t>(Low32(registers[Reg::kRax])));
  const auto in_use = LoadField<std::uint64_t>(area, kXsaveStateBv);
  StoreField<std::uint64_t>(area, kXsaveStateBv, in_use | std::uint64_t{1} << kXfeaturePkruNumber);
  return Completed{};
}

}  // namespace

InstructionHandler FindSystemInstruction(ZydisMnemonic mnemonic) {
  switch (mnemonic) {
    case ZYDIS_MNEMONIC_INT3:
      return Breakpoint;
    case ZYDIS_MNEMONIC_INT1:
      return DebugTrap;
    case ZYDIS_MNEMONIC_UD0:
    case ZYDIS_MNEMONIC_UD1:
    case ZYDIS_MNEMONIC_UD2:
      return Undefined;
    case ZYDIS_MNEMONIC_CLAC:
      return ClearAlignmentCheck;
    case ZYDIS_MNEMONIC_STAC:
      return SetAlignmentCheck;
    case ZYDIS_MNEMONIC_CLD:
      return ClearDirection;
    case ZYDIS_MNEMONIC_NOP:
    case ZYDIS_MNEMONIC_PAUSE:
    case ZYDIS_MNEMONIC_ENDBR32:
    case ZYDIS_MNEMONIC_ENDBR64:
    case ZYDIS_MNEMONIC_LFENCE:
    case ZYDIS_MNEMONIC_MFENCE:
    case ZYDIS_MNEMONIC_SFENCE:
    case ZYDIS_MNEMONIC_SERIALIZE:
    case ZYDIS_MNEMONIC_PREFETCH:
    case ZYDIS_MNEMONIC_PREFETCHNTA:
    case ZYDIS_MNEMONIC_PREFETCHT0:
    case ZYDIS_MNEMONIC_PREFETCHT1:
    case ZYDIS_MNEMONIC_PREFETCHT2:
    case ZYDIS_MNEMONIC_PREFETCHW:
    case ZYDIS_MNEMONIC_PREFETCHWT1:
    case ZYDIS_MNEMONIC_CLDEMOTE:
    case ZYDIS_MNEMONIC_UMONITOR:
      return Nothing;
    case ZYDIS_MNEMONIC_TPAUSE:
    case ZYDIS_MNEMONIC_UMWAIT:
      return TimedWait;
    case ZYDIS_MNEMONIC_CLFLUSH:
    case ZYDIS_MNEMONIC_CLFLUSHOPT:
    case ZYDIS_MNEMONIC_CLWB:
      return FlushLine;
    case ZYDIS_MNEMONIC_RDPID:
      return ReadTscAux;
    case ZYDIS_MNEMONIC_RDTSCP:
      return ReadTscAndAux;
    case ZYDIS_MNEMONIC_RDFSBASE:
    case ZYDIS_MNEMONIC_RDGSBASE:
      return ReadSegmentBase;
    case ZYDIS_MNEMONIC_WRFSBASE:
    case ZYDIS_MNEMONIC_WRGSBASE:
      return WriteSegmentBase;
    case ZYDIS_MNEMONIC_INVPCID:
      return InvalidatePcid;
    case ZYDIS_MNEMONIC_RDPKRU:
      return ReadPkru;
    case ZYDIS_MNEMONIC_WRPKRU:
      return WritePkru;
    default:
      return nullptr;
  }
}

}  // namespace veneer
