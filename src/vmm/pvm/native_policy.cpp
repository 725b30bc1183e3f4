#include "native_policy.h"

#include <algorithm>
#include <array>

#include <cpuid.h>

namespace veneer {
namespace {

constexpr std::size_t kMaxOperandBytes = 64;

enum class CpuidRegister { kEbx, kEcx, kEdx };

// A feature bit of CPUID, subleaf 0.
struct Feature {
  unsigned leaf;
  CpuidRegister reg;
  unsigned bit;
};

struct AllowedSet {
  ZydisISASet set;
  Feature feature;
};

constexpr unsigned kBasic = 1;
constexpr unsigned kStructured = 7;
constexpr unsigned kAmd = 0x80000001;
constexpr CpuidRegister kEbx = CpuidRegister::kEbx;
constexpr CpuidRegister kEcx = CpuidRegister::kEcx;
constexpr CpuidRegister kEdx = CpuidRegister::kEdx;

constexpr std::array kAllowedSets = {
    AllowedSet{ZYDIS_ISA_SET_X87, {kBasic, kEdx, 0}},
    AllowedSet{ZYDIS_ISA_SET_FCMOV, {kBasic, kEdx, 15}},
    AllowedSet{ZYDIS_ISA_SET_PENTIUMMMX, {kBasic, kEdx, 23}},
    AllowedSet{ZYDIS_ISA_SET_SSE, {kBasic, kEdx, 25}},
    AllowedSet{ZYDIS_ISA_SET_SSE2, {kBasic, kEdx, 26}},
    AllowedSet{ZYDIS_ISA_SET_SSE2MMX, {kBasic, kEdx, 26}},
    AllowedSet{ZYDIS_ISA_SET_SSE3, {kBasic, kEcx, 0}},
    AllowedSet{ZYDIS_ISA_SET_SSE3X87, {kBasic, kEcx, 0}},
    AllowedSet{ZYDIS_ISA_SET_PCLMULQDQ, {kBasic, kEcx, 1}},
    AllowedSet{ZYDIS_ISA_SET_SSSE3, {kBasic, kEcx, 9}},
    AllowedSet{ZYDIS_ISA_SET_SSSE3MMX, {kBasic, kEcx, 9}},
    AllowedSet{ZYDIS_ISA_SET_FMA, {kBasic, kEcx, 12}},
    AllowedSet{ZYDIS_ISA_SET_SSE4, {kBasic, kEcx, 19}},
    AllowedSet{ZYDIS_ISA_SET_SSE42, {kBasic, kEcx, 20}},
    AllowedSet{ZYDIS_ISA_SET_MOVBE, {kBasic, kEcx, 22}},
    AllowedSet{ZYDIS_ISA_SET_POPCNT, {kBasic, kEcx, 23}},
    AllowedSet{ZYDIS_ISA_SET_AES, {kBasic, kEcx, 25}},
    AllowedSet{ZYDIS_ISA_SET_AVXAES, {kBasic, kEcx, 25}},
    AllowedSet{ZYDIS_ISA_SET_AVX, {kBasic, kEcx, 28}},
    AllowedSet{ZYDIS_ISA_SET_F16C, {kBasic, kEcx, 29}},
    AllowedSet{ZYDIS_ISA_SET_RDRAND, {kBasic, kEcx, 30}},
    AllowedSet{ZYDIS_ISA_SET_BMI1, {kStructured, kEbx, 3}},
    AllowedSet{ZYDIS_ISA_SET_AVX2, {kStructured, kEbx, 5}},
    AllowedSet{ZYDIS_ISA_SET_BMI2, {kStructured, kEbx, 8}},
    AllowedSet{ZYDIS_ISA_SET_RDSEED, {kStructured, kEbx, 18}},
    AllowedSet{ZYDIS_ISA_SET_ADOX_ADCX, {kStructured, kEbx, 19}},
    AllowedSet{ZYDIS_ISA_SET_SHA, {kStructured, kEbx, 29}},
    AllowedSet{ZYDIS_ISA_SET_GFNI, {kStructured, kEcx, 8}},
    AllowedSet{ZYDIS_ISA_SET_AVX_GFNI, {kStructured, kEcx, 8}},
    AllowedSet{ZYDIS_ISA_SET_VAES, {kStructured, kEcx, 9}},
    AllowedSet{ZYDIS_ISA_SET_VPCLMULQDQ, {kStructured, kEcx, 10}},
    AllowedSet{ZYDIS_ISA_SET_LZCNT, {kAmd, kEcx, 5}},
};

bool HostHas(const Feature& feature) {
  std::array<unsigned, 4> values{};
  if (__get_cpuid_count(feature.leaf, 0, &values[0], &values[1], &values[2], &values[3]) == 0) {
    return false;
  }
  switch (feature.reg) {
    case CpuidRegister::kEbx:
      return (values[1] >> feature.bit & 1U) != 0;
    case CpuidRegister::kEcx:
      return (values[2] >> feature.bit & 1U) != 0;
    case CpuidRegister::kEdx:
      return (values[3] >> feature.bit & 1U) != 0;
  }
  return false;
}

// Members of the allowed sets that are not harmless: they store behind implicit addresses, store
// part of their operand, or save and load the exception masks that are changed for the run.
bool IsExcluded(ZydisMnemonic mnemonic) {
  switch (mnemonic) {
    case ZYDIS_MNEMONIC_MASKMOVQ:
    case ZYDIS_MNEMONIC_MASKMOVDQU:
    case ZYDIS_MNEMONIC_VMASKMOVDQU:
    case ZYDIS_MNEMONIC_VMASKMOVPS:
    case ZYDIS_MNEMONIC_VMASKMOVPD:
    case ZYDIS_MNEMONIC_VPMASKMOVD:
    case ZYDIS_MNEMONIC_VPMASKMOVQ:
    case ZYDIS_MNEMONIC_LDMXCSR:
    case ZYDIS_MNEMONIC_STMXCSR:
    case ZYDIS_MNEMONIC_VLDMXCSR:
    case ZYDIS_MNEMONIC_VSTMXCSR:
    case ZYDIS_MNEMONIC_FLDCW:
    case ZYDIS_MNEMONIC_FNSTCW:
    case ZYDIS_MNEMONIC_FLDENV:
    case ZYDIS_MNEMONIC_FNSTENV:
    case ZYDIS_MNEMONIC_FRSTOR:
    case ZYDIS_MNEMONIC_FNSAVE:
    case ZYDIS_MNEMONIC_FNINIT:
    case ZYDIS_MNEMONIC_FNCLEX:
    case ZYDIS_MNEMONIC_FNSTSW:
    case ZYDIS_MNEMONIC_FWAIT:
      return true;
    default:
      return false;
  }
}

bool AllowedEncoding(const ZydisDecodedInstruction& info) {
  return (info.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY ||
          info.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX) &&
         (info.attributes & ZYDIS_ATTRIB_HAS_LOCK) == 0;
}

// The registers of an operand may be general, FPU or flags; no others are loaded for the run.
bool NoteRegister(ZydisRegister reg, bool vex, NativeTraits& traits) {
  switch (ZydisRegisterGetClass(reg)) {
    case ZYDIS_REGCLASS_GPR8:
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64:
    case ZYDIS_REGCLASS_FLAGS:
      return true;
    case ZYDIS_REGCLASS_X87:
      traits.x87 = true;
      return true;
    case ZYDIS_REGCLASS_MMX:
      traits.mmx = true;
      return true;
    case ZYDIS_REGCLASS_XMM:
    case ZYDIS_REGCLASS_YMM:
      (vex ? traits.avx : traits.sse) = true;
      return true;
    default:
      return reg == ZYDIS_REGISTER_MXCSR || reg == ZYDIS_REGISTER_X87CONTROL ||
             reg == ZYDIS_REGISTER_X87STATUS || reg == ZYDIS_REGISTER_X87TAG;
  }
}

bool NoteMemory(const ZydisDecodedOperand& operand, std::size_t index, NativeTraits& traits) {
  const bool explicit_operand = operand.visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT;
  const std::size_t size = operand.size / 8;
  if (traits.memory || !explicit_operand || operand.mem.type != ZYDIS_MEMOP_TYPE_MEM || size == 0 ||
      size > kMaxOperandBytes) {
    return false;
  }
  traits.memory = index;
  traits.memory_size = size;
  traits.writes_memory = (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
  return true;
}

bool IsAlignedVexMove(ZydisMnemonic mnemonic) {
  switch (mnemonic) {
    case ZYDIS_MNEMONIC_VMOVAPS:
    case ZYDIS_MNEMONIC_VMOVAPD:
    case ZYDIS_MNEMONIC_VMOVDQA:
    case ZYDIS_MNEMONIC_VMOVNTPS:
    case ZYDIS_MNEMONIC_VMOVNTPD:
    case ZYDIS_MNEMONIC_VMOVNTDQ:
    case ZYDIS_MNEMONIC_VMOVNTDQA:
      return true;
    default:
      return false;
  }
}

bool IsUnalignedSse(ZydisMnemonic mnemonic) {
  switch (mnemonic) {
    case ZYDIS_MNEMONIC_MOVUPS:
    case ZYDIS_MNEMONIC_MOVUPD:
    case ZYDIS_MNEMONIC_MOVDQU:
    case ZYDIS_MNEMONIC_LDDQU:
    case ZYDIS_MNEMONIC_PCMPESTRI:
    case ZYDIS_MNEMONIC_PCMPESTRM:
    case ZYDIS_MNEMONIC_PCMPISTRI:
    case ZYDIS_MNEMONIC_PCMPISTRM:
      return true;
    default:
      return false;
  }
}

// Intel SDM vol. 2, 2.4 and 2.5: legacy SSE wants 16-byte operands aligned, VEX only in moves that
// say so.
std::size_t RequiredAlignment(const ZydisDecodedInstruction& info, const NativeTraits& traits) {
  constexpr std::size_t kSseOperand = 16;
  if (traits.avx) {
    return IsAlignedVexMove(info.mnemonic) ? traits.memory_size : 1;
  }
  const bool aligned =
      traits.sse && traits.memory_size == kSseOperand && !IsUnalignedSse(info.mnemonic);
  return aligned ? kSseOperand : 1;
}

// Instructions without a register operand belong to a set that tells.
void NoteSet(ZydisISASet set, bool vex, NativeTraits& traits) {
  switch (set) {
    case ZYDIS_ISA_SET_X87:
    case ZYDIS_ISA_SET_FCMOV:
    case ZYDIS_ISA_SET_SSE3X87:
      traits.x87 = true;
      break;
    case ZYDIS_ISA_SET_PENTIUMMMX:
      traits.mmx = true;
      break;
    case ZYDIS_ISA_SET_BMI1:
    case ZYDIS_ISA_SET_BMI2:
      break;
    default:
      traits.avx = traits.avx || vex;
      break;
  }
}

bool HostHasSet(std::size_t index) {
  static const std::array<bool, kAllowedSets.size()> present = [] {
    std::array<bool, kAllowedSets.size()> found{};
    std::ranges::transform(kAllowedSets, found.begin(),
                           [](const AllowedSet& set) { return HostHas(set.feature); });
    return found;
  }();
  return present.at(index);
}

// Zydis files FCOMI and its like under the whole processor that brought them, with much else.
ZydisISASet SetOf(const ZydisDecodedInstruction& info) {
  const bool compare =
      info.meta.isa_set == ZYDIS_ISA_SET_PPRO && info.meta.category == ZYDIS_CATEGORY_X87_ALU;
  return compare ? ZYDIS_ISA_SET_FCMOV : info.meta.isa_set;
}

}  // namespace

std::optional<NativeTraits> NativeTraitsOf(const Instruction& instruction) {
  const ZydisDecodedInstruction& info = instruction.info;
  const auto* const allowed = std::ranges::find(kAllowedSets, SetOf(info), &AllowedSet::set);
  if (allowed == kAllowedSets.end() || IsExcluded(info.mnemonic) || !AllowedEncoding(info)) {
    return std::nullopt;
  }
  NativeTraits traits;
  const bool vex = info.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;
  for (std::size_t i = 0; i < instruction.operands().size(); ++i) {
    const ZydisDecodedOperand& operand = instruction.operands()[i];
    if ((operand.type == ZYDIS_OPERAND_TYPE_REGISTER &&
         !NoteRegister(operand.reg.value, vex, traits)) ||
        (operand.type == ZYDIS_OPERAND_TYPE_MEMORY && !NoteMemory(operand, i, traits)) ||
        operand.type == ZYDIS_OPERAND_TYPE_POINTER) {
      return std::nullopt;
    }
  }
  NoteSet(SetOf(info), vex, traits);
  traits.alignment = RequiredAlignment(info, traits);
  traits.on_this_host = HostHasSet(static_cast<std::size_t>(allowed - kAllowedSets.begin()));
  return traits;
}

}  // namespace veneer
