#include "native_encoding.h"

#include <algorithm>
#include <bitset>

#include "native_policy.h"

namespace veneer {
namespace {

using RegisterSet = std::bitset<16>;

// In this order: the first eight (without RSP) never need a REX prefix, which high byte registers
// do not go with.
constexpr std::array kCandidates = {Reg::kRbx, Reg::kRsi, Reg::kRdi, Reg::kRcx, Reg::kRdx,
                                    Reg::kRax, Reg::kRbp, Reg::kR8,  Reg::kR9,  Reg::kR10};

std::optional<std::size_t> GeneralIndex(ZydisRegister reg) {
  const ZydisRegister full = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
  if (ZydisRegisterGetClass(full) != ZYDIS_REGCLASS_GPR64) {
    return std::nullopt;
  }
  return static_cast<std::size_t>(ZydisRegisterGetId(full));
}

RegisterSet RegistersUsed(const Instruction& instruction) {
  RegisterSet used;
  used.set(static_cast<std::size_t>(Reg::kRsp));
  for (const ZydisDecodedOperand& operand : instruction.operands()) {
    if (operand.type == ZYDIS_OPERAND_TYPE_REGISTER) {
      if (const auto index = GeneralIndex(operand.reg.value)) {
        used.set(*index);
      }
    }
  }
  return used;
}

std::optional<Reg> TakeFree(RegisterSet& used) {
  const auto* const free = std::ranges::find_if(
      kCandidates, [&](Reg reg) { return !used.test(static_cast<std::size_t>(reg)); });
  if (free == kCandidates.end()) {
    return std::nullopt;
  }
  used.set(static_cast<std::size_t>(*free));
  return *free;
}

ZydisRegister FullRegister(Reg reg) {
  return ZydisRegisterEncode(ZYDIS_REGCLASS_GPR64, static_cast<ZyanU8>(reg));
}

// The register that has RSP's part in `reg` when `stand_in` takes its place.
ZydisRegister Replace(ZydisRegister reg, std::optional<Reg> stand_in) {
  if (!stand_in || GeneralIndex(reg) != static_cast<std::size_t>(Reg::kRsp)) {
    return reg;
  }
  const ZydisRegisterClass width = ZydisRegisterGetClass(reg);
  auto number = static_cast<ZyanU8>(*stand_in);
  if (width == ZYDIS_REGCLASS_GPR8 && number >= 4) {
    number = static_cast<ZyanU8>(number + 4);  // AH to BH stand between
  }
  return ZydisRegisterEncode(width, number);
}

bool NeedsStandIn(const Instruction& instruction) {
  return std::ranges::any_of(instruction.operands(), [](const ZydisDecodedOperand& operand) {
    return operand.type == ZYDIS_OPERAND_TYPE_REGISTER &&
           GeneralIndex(operand.reg.value) == static_cast<std::size_t>(Reg::kRsp);
  });
}

bool SameOperand(const ZydisDecodedOperand& wanted, const ZydisDecodedOperand& made,
                 const NativeEncoding& encoding) {
  if (wanted.type != made.type || wanted.size != made.size || wanted.actions != made.actions) {
    return false;
  }
  switch (wanted.type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
      return made.reg.value == Replace(wanted.reg.value, encoding.stack_pointer);
    case ZYDIS_OPERAND_TYPE_MEMORY:
      return made.mem.type == ZYDIS_MEMOP_TYPE_MEM &&
             made.mem.base == FullRegister(encoding.scratch) &&
             made.mem.index == ZYDIS_REGISTER_NONE && made.mem.disp.value == 0 &&
             made.mem.segment != ZYDIS_REGISTER_FS && made.mem.segment != ZYDIS_REGISTER_GS;
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
      return made.imm.value.u == wanted.imm.value.u;
    default:
      return false;
  }
}

// Two sets can have the same operation (PEXTRW is in SSE and SSE4.1).
bool SetIsSafe(const Instruction& wanted, const Instruction& made) {
  const std::optional<NativeTraits> traits = NativeTraitsOf(made);
  return made.info.meta.isa_set == wanted.info.meta.isa_set || (traits && traits->on_this_host);
}

// What runs must be what was meant, whatever the encoder has made of it. Operand sizes stand for
// the vector length, which scalar instructions ignore.
bool IsSame(const Instruction& wanted, const NativeEncoding& encoding) {
  const Decoding decoding = Decode(CodeMode::k64, encoding.code());
  const auto* made = std::get_if<Instruction>(&decoding);
  return made != nullptr && made->info.length == encoding.length &&
         made->info.mnemonic == wanted.info.mnemonic &&
         made->info.encoding == wanted.info.encoding && SetIsSafe(wanted, *made) &&
         std::ranges::equal(wanted.visible_operands(), made->visible_operands(),
                            [&](const auto& left, const auto& right) {
                              return SameOperand(left, right, encoding);
                            });
}

void Rewrite(ZydisEncoderRequest& request, const NativeEncoding& encoding) {
  request.machine_mode = ZYDIS_MACHINE_MODE_LONG_64;
  request.prefixes = 0;
  request.address_size_hint = ZYDIS_ADDRESS_SIZE_HINT_NONE;
  for (ZydisEncoderOperand& operand : std::span(request.operands).first(request.operand_count)) {
    if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY) {
      const ZyanU16 size = operand.mem.size;
      operand.mem = {};
      operand.mem.base = FullRegister(encoding.scratch);
      operand.mem.size = size;
    } else if (operand.type == ZYDIS_OPERAND_TYPE_REGISTER) {
      operand.reg.value = Replace(operand.reg.value, encoding.stack_pointer);
    }
  }
}

}  // namespace

std::optional<NativeEncoding> EncodeForHost(const Instruction& instruction) {
  NativeEncoding encoding;
  RegisterSet used = RegistersUsed(instruction);
  const std::optional<Reg> scratch = TakeFree(used);
  if (!scratch) {
    return std::nullopt;
  }
  encoding.scratch = *scratch;
  if (NeedsStandIn(instruction)) {
    encoding.stack_pointer = TakeFree(used);
  }
  ZydisEncoderRequest request{};
  if (!ZYAN_SUCCESS(ZydisEncoderDecodedInstructionToEncoderRequest(
          &instruction.info, instruction.operand_storage.data(),
          instruction.info.operand_count_visible, &request))) {
    return std::nullopt;
  }
  Rewrite(request, encoding);
  ZyanUSize length = encoding.bytes.size();
  if (!ZYAN_SUCCESS(ZydisEncoderEncodeInstruction(&request, encoding.bytes.data(), &length))) {
    return std::nullopt;
  }
  encoding.length = length;
  return IsSame(instruction, encoding) ? std::optional(encoding) : std::nullopt;
}

}  // namespace veneer
