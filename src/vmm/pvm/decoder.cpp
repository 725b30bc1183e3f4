#include "decoder.h"

namespace veneer {
namespace {

ZydisDecoder MakeDecoder(CodeMode mode) {
  ZydisDecoder decoder;
  switch (mode) {
    case CodeMode::k16:
      ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
      break;
    case CodeMode::k32:
      ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
      break;
    case CodeMode::k64:
      ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
      break;
  }
  return decoder;
}

}  // namespace

CodeMode CurrentCodeMode(const SystemRegisters& system) {
  if ((system.efer & kEferLongModeActive) != 0 && system.cs.long_mode) {
    return CodeMode::k64;
  }
  return system.cs.default_size ? CodeMode::k32 : CodeMode::k16;
}

Decoding Decode(CodeMode mode, std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) {
    return TooFewBytes{};
  }
  const ZydisDecoder decoder = MakeDecoder(mode);
  Instruction instruction{};
  const ZyanStatus status = ZydisDecoderDecodeFull(
      &decoder, bytes.data(), bytes.size(), &instruction.info, instruction.operand_storage.data());
  if (status == ZYDIS_STATUS_NO_MORE_DATA) {
    return TooFewBytes{};
  }
  if (!ZYAN_SUCCESS(status)) {
    return Undecodable{};
  }
  return instruction;
}

std::string Disassemble(const Instruction& instruction, std::uint64_t rip) {
  ZydisFormatter formatter;
  std::array<char, 256> text{};
  ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
  const ZyanStatus status = ZydisFormatterFormatInstruction(
      &formatter, &instruction.info, instruction.operand_storage.data(),
      instruction.info.operand_count_visible, text.data(), text.size(), rip, nullptr);
  return ZYAN_SUCCESS(status) ? std::string(text.data()) : std::string("(no disassembly)");
}

}  // namespace veneer
