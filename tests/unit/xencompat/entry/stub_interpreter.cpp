#include "stub_interpreter.h"

#include <Zydis/Zydis.h>

namespace veneer {
namespace {

struct Decoded {
  ZydisDecodedInstruction instruction;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

std::optional<Decoded> Decode(std::span<const std::byte> code, std::size_t at, GuestWidth width) {
  ZydisDecoder decoder;
  if (width == GuestWidth::k64) {
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  } else {
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
  }
  Decoded decoded;
  if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code.data() + at, code.size() - at,
                                           &decoded.instruction, decoded.operands))) {
    return std::nullopt;
  }
  return decoded;
}

std::string Format(const Decoded& decoded) {
  ZydisFormatter formatter;
  ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
  char text[96];
  ZydisFormatterFormatInstruction(&formatter, &decoded.instruction, decoded.operands,
                                  decoded.instruction.operand_count_visible, text, sizeof(text),
                                  ZYDIS_RUNTIME_ADDRESS_NONE, nullptr);
  return text;
}

std::size_t RegisterIndex(ZydisRegister reg) {
  return static_cast<std::size_t>(ZydisRegisterGetId(reg));
}

}  // namespace

StubRun StubCpu::Run(std::span<const std::byte> code, std::size_t offset, GuestWidth width,
                     std::optional<std::size_t> stop_at) {
  StubRun run;
  for (int steps = 0; steps < 64; ++steps) {
    run.end = offset;
    if (stop_at == offset) {
      return run;
    }
    const std::optional<Decoded> decoded =
        offset < code.size() ? Decode(code, offset, width) : std::nullopt;
    if (!decoded) {
      run.error = "not an instruction at offset " + std::to_string(offset);
      return run;
    }
    run.instructions.push_back(Format(*decoded));
    offset += decoded->instruction.length;
    const ZydisDecodedOperand* op = decoded->operands;
    const auto jump = [&] { offset += static_cast<std::size_t>(op[0].imm.value.s); };
    switch (decoded->instruction.mnemonic) {
      case ZYDIS_MNEMONIC_CMP: {
        const auto left = static_cast<std::uint32_t>(gpr[RegisterIndex(op[0].reg.value)]);
        const auto right = static_cast<std::uint32_t>(op[1].imm.value.s);
        carry = left < right;
        zero = left == right;
        break;
      }
      case ZYDIS_MNEMONIC_MOV:
        if (op[1].type == ZYDIS_OPERAND_TYPE_MEMORY) {
          const std::uint64_t address = gpr[RegisterIndex(op[1].mem.base)];
          if (!words.contains(address)) {
            run.error = "page fault at " + std::to_string(address);
            return run;
          }
          gpr[RegisterIndex(op[0].reg.value)] = words[address];
        } else {
          gpr[RegisterIndex(op[0].reg.value)] = op[1].imm.value.u;
        }
        break;
      case ZYDIS_MNEMONIC_XOR:
        if (op[0].reg.value != op[1].reg.value) {
          run.error = "xor of two registers";
          return run;
        }
        gpr[RegisterIndex(op[0].reg.value)] = 0;
        carry = false;
        zero = true;
        break;
      case ZYDIS_MNEMONIC_OUT: {
        const auto port = static_cast<std::uint8_t>(op[0].imm.value.u);
        run.writes.emplace_back(port, static_cast<std::uint32_t>(gpr[0]));
        if (op[1].reg.value != ZYDIS_REGISTER_EAX) {
          run.error = "not a 32-bit out";
          return run;
        }
        if (on_out) {
          on_out(*this, port);
        }
        break;
      }
      case ZYDIS_MNEMONIC_JMP:
        jump();
        break;
      case ZYDIS_MNEMONIC_JNZ:
        if (!zero) {
          jump();
        }
        break;
      case ZYDIS_MNEMONIC_JB:
        if (carry) {
          jump();
        }
        break;
      case ZYDIS_MNEMONIC_NOP:
      case ZYDIS_MNEMONIC_ENDBR64:
        break;
      case ZYDIS_MNEMONIC_RET:
        run.returned = true;
        return run;
      case ZYDIS_MNEMONIC_UD2:
        run.undefined = true;
        return run;
      default:
        run.error = "unexpected: " + run.instructions.back();
        return run;
    }
  }
  run.error = "does not end";
  return run;
}

}  // namespace veneer
