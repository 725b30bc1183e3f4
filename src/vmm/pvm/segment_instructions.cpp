// LAR, LSL, VERR and VERW: what a descriptor says of its segment (Intel SDM vol. 2; for the
// descriptor's layout vol. 3, 3.4.5). Linux finds its processor's number by LSL on the way into an
// NMI if there is no RDPID.
#include <cstdint>
#include <optional>
#include <variant>

#include "handlers.h"

namespace veneer {
namespace {

constexpr std::uint16_t kSelectorRpl = 3;
constexpr std::uint16_t kSelectorLocal = 1U << 2;

class Descriptor {
 public:
  explicit Descriptor(std::uint64_t raw) : raw_(raw) {}

  unsigned type() const { return raw_ >> 40U & 0xfU; }
  bool is_code_or_data() const { return (raw_ >> 44U & 1U) != 0; }
  unsigned dpl() const { return raw_ >> 45U & 3U; }
  bool is_code() const { return is_code_or_data() && (type() & 8U) != 0; }
  bool is_conforming() const { return is_code() && (type() & 4U) != 0; }
  bool is_readable() const { return is_code_or_data() && (!is_code() || (type() & 2U) != 0); }
  bool is_writable() const { return is_code_or_data() && !is_code() && (type() & 2U) != 0; }

  // The second half of the descriptor, without what belongs to base and limit.
  std::uint32_t access_rights() const { return raw_ >> 32U & 0x00f0ff00U; }
  // In bytes.
  std::uint32_t limit() const {
    const auto limit = static_cast<std::uint32_t>((raw_ & 0xffffU) | (raw_ >> 32U & 0xf0000U));
    const bool pages = (raw_ >> 55U & 1U) != 0;
    return pages ? limit << 12U | 0xfffU : limit;
  }

 private:
  std::uint64_t raw_;
};

// The system segments and gates that each instruction knows, a bit for each type. Long mode has
// fewer.
bool KnowsSystemType(ZydisMnemonic mnemonic, unsigned type, bool long_mode) {
  constexpr unsigned kLegacyLimit = 0b0000'1010'0000'1110;   // TSS and LDT
  constexpr unsigned kLegacyRights = 0b0001'1010'0011'1110;  // and call and task gates
  constexpr unsigned kLongLimit = 0b0000'1010'0000'0100;
  constexpr unsigned kLongRights = 0b0001'1010'0000'0100;
  unsigned known = 0;
  if (mnemonic == ZYDIS_MNEMONIC_LSL) {
    known = long_mode ? kLongLimit : kLegacyLimit;
  } else if (mnemonic == ZYDIS_MNEMONIC_LAR) {
    known = long_mode ? kLongRights : kLegacyRights;
  }
  return (known >> type & 1U) != 0;
}

// The descriptor that `selector` names, none if it names none; or what becomes of the instruction.
using Fetched = tl::expected<std::optional<Descriptor>, Completion>;

Fetched FetchDescriptor(const InstructionContext& context, std::uint16_t selector) {
  constexpr unsigned kSize = 8;
  const SystemRegisters& system = context.system();
  const bool local = (selector & kSelectorLocal) != 0;
  const std::uint64_t offset = selector & ~std::uint64_t{kSelectorRpl | kSelectorLocal};
  const std::uint64_t limit = local ? system.ldt.limit : system.gdt.limit;
  const bool has_table = !local || (system.ldt.selector & ~kSelectorRpl) != 0;
  if ((offset == 0 && !local) || !has_table || offset + kSize - 1 > limit) {
    return std::nullopt;
  }
  // The processor reads its tables with its own rights, not with the program's.
  LinearMemory memory = context.memory();
  memory.SetPrivilege(kRflagsAlignmentCheck, 0);
  LinearMemory::Resolved range = memory.Resolve(
      (local ? system.ldt.base : system.gdt.base) + offset, kSize, AccessKind::kRead);
  if (!range) {
    return tl::unexpected(range.error());
  }
  std::uint64_t raw = 0;
  range->CopyOut(std::as_writable_bytes(std::span(&raw, 1)));
  return Descriptor(raw);
}

bool IsAccessible(const InstructionContext& context, std::uint16_t selector,
                  const Descriptor& descriptor) {
  const ZydisMnemonic mnemonic = context.mnemonic();
  const bool long_mode = (context.system().efer & kEferLongModeActive) != 0;
  if (!descriptor.is_code_or_data() && !KnowsSystemType(mnemonic, descriptor.type(), long_mode)) {
    return false;
  }
  if ((mnemonic == ZYDIS_MNEMONIC_VERR && !descriptor.is_readable()) ||
      (mnemonic == ZYDIS_MNEMONIC_VERW && !descriptor.is_writable())) {
    return false;
  }
  const unsigned rpl = selector & kSelectorRpl;
  return descriptor.is_conforming() ||
         (context.cpl() <= descriptor.dpl() && rpl <= descriptor.dpl());
}

Completion CheckSegment(InstructionContext& context) {
  const ZydisMnemonic mnemonic = context.mnemonic();
  const bool has_result = mnemonic == ZYDIS_MNEMONIC_LAR || mnemonic == ZYDIS_MNEMONIC_LSL;
  const ZydisDecodedOperand& source = context.operand(has_result ? 1 : 0);
  std::uint16_t selector = 0;
  if (source.type == ZYDIS_OPERAND_TYPE_REGISTER) {
    selector = static_cast<std::uint16_t>(context.ReadRegister(source.reg.value));
  } else {
    LinearMemory::Resolved range = context.Resolve(source, sizeof selector, AccessKind::kRead);
    if (!range) {
      return range.error();
    }
    range->CopyOut(std::as_writable_bytes(std::span(&selector, 1)));
  }
  const Fetched fetched = FetchDescriptor(context, selector);
  if (!fetched) {
    return fetched.error();
  }
  const std::optional<Descriptor>& descriptor = *fetched;
  const bool accessible = descriptor && IsAccessible(context, selector, *descriptor);
  Registers& registers = context.registers();
  registers.rflags &= ~kRflagsZero;
  if (accessible) {
    registers.rflags |= kRflagsZero;
  }
  if (accessible && has_result) {
    context.WriteRegister(context.operand(0).reg.value, mnemonic == ZYDIS_MNEMONIC_LSL
                                                            ? descriptor->limit()
                                                            : descriptor->access_rights());
  }
  return Completed{};
}

}  // namespace

InstructionHandler FindSegmentInstruction(ZydisMnemonic mnemonic) {
  switch (mnemonic) {
    case ZYDIS_MNEMONIC_LAR:
    case ZYDIS_MNEMONIC_LSL:
    case ZYDIS_MNEMONIC_VERR:
    case ZYDIS_MNEMONIC_VERW:
      return CheckSegment;
    default:
      return nullptr;
  }
}

}  // namespace veneer
