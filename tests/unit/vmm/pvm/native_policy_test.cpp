#include "src/vmm/pvm/native_policy.h"

#include <vector>

#include <gtest/gtest.h>

#include "src/vmm/pvm/native_encoding.h"

namespace veneer {
namespace {

using Bytes = std::vector<std::uint8_t>;

Instruction Decoded(const Bytes& code, CodeMode mode = CodeMode::k64) {
  const Decoding decoding = Decode(mode, code);
  EXPECT_TRUE(std::holds_alternative<Instruction>(decoding));
  return std::get<Instruction>(decoding);
}

// One of each kind that kernels use; all can be rewritten for the host.
TEST(NativePolicyTest, HarmlessInstructionsAreAllowedAndCanBeRewritten) {
  const std::vector<Bytes> allowed = {
      {0xf3, 0x48, 0x0f, 0xb8, 0x44, 0xcb, 0x10},                 // popcnt rax, [rbx+rcx*8+0x10]
      {0x65, 0xf3, 0x48, 0x0f, 0xb8, 0x04, 0x25, 0x20, 0, 0, 0},  // popcnt rax, gs:[0x20]
      {0xf3, 0x48, 0x0f, 0xbd, 0xd6},                             // lzcnt rdx, rsi
      {0xf3, 0x48, 0x0f, 0xbc, 0xd6},                             // tzcnt rdx, rsi
      {0xc4, 0xe2, 0xf0, 0xf7, 0xc3},                             // bextr rax, rbx, rcx
      {0xc4, 0xe2, 0xe3, 0xf5, 0xc1},                             // pdep rax, rbx, rcx
      {0xc4, 0xe2, 0xe2, 0xf5, 0x01},                             // pext rax, rbx, [rcx]
      {0xc4, 0xe2, 0xf2, 0xf7, 0xc3},                             // sarx rax, rbx, rcx
      {0xf2, 0x48, 0x0f, 0x38, 0xf1, 0x03},                       // crc32 rax, qword ptr [rbx]
      {0x48, 0x0f, 0x38, 0xf0, 0x03},                             // movbe rax, [rbx]
      {0x48, 0x0f, 0x38, 0xf1, 0x03},                             // movbe [rbx], rax
      {0x0f, 0x28, 0x0b},                                         // movaps xmm1, [rbx]
      {0x66, 0x44, 0x0f, 0x7f, 0x0b},                             // movdqa [rbx], xmm9
      {0x66, 0x0f, 0xe7, 0x0b},                                   // movntdq [rbx], xmm1
      {0x0f, 0x2b, 0x0b},                                         // movntps [rbx], xmm1
      {0x48, 0x0f, 0xc3, 0x03},                                   // movnti [rbx], rax
      {0x66, 0x48, 0x0f, 0x7e, 0xc0},                             // movq rax, xmm0
      {0x66, 0x0f, 0x6e, 0xc8},                                   // movd xmm1, eax
      {0xf3, 0x0f, 0x7e, 0x0b},                                   // movq xmm1, [rbx]
      {0x66, 0x0f, 0xd6, 0x0b},                                   // movq [rbx], xmm1
      {0x0f, 0x57, 0xca},                                         // xorps xmm1, xmm2
      {0x66, 0x0f, 0xeb, 0xca},                                   // por xmm1, xmm2
      {0x66, 0x0f, 0xdf, 0xca},                                   // pandn xmm1, xmm2
      {0x66, 0x0f, 0x73, 0xf1, 0x05},                             // psllq xmm1, 5
      {0x66, 0x0f, 0x72, 0xd1, 0x05},                             // psrld xmm1, 5
      {0x66, 0x0f, 0xfe, 0xca},                                   // paddd xmm1, xmm2
      {0x66, 0x0f, 0xd4, 0xca},                                   // paddq xmm1, xmm2
      {0x66, 0x0f, 0xfa, 0x0b},                                   // psubd xmm1, [rbx]
      {0x66, 0x0f, 0x70, 0xca, 0x1b},                             // pshufd xmm1, xmm2, 0x1b
      {0x66, 0x0f, 0x62, 0xca},                                   // punpckldq xmm1, xmm2
      {0x66, 0x0f, 0x38, 0x00, 0x0b},                             // pshufb xmm1, [rbx]
      {0x66, 0x0f, 0x3a, 0x0f, 0xca, 0x05},                       // palignr xmm1, xmm2, 5
      {0x66, 0x0f, 0x3a, 0x20, 0x0b, 0x03},                       // pinsrb xmm1, [rbx], 3
      {0x66, 0x0f, 0x3a, 0x15, 0x0b, 0x03},                       // pextrw [rbx], xmm1, 3
      {0x66, 0x0f, 0x38, 0xdc, 0xca},                             // aesenc xmm1, xmm2
      {0x66, 0x0f, 0x3a, 0x44, 0xca, 0x11},                       // pclmulqdq xmm1, xmm2, 0x11
      {0xc5, 0xed, 0xfe, 0x0b},                                   // vpaddd ymm1, ymm2, [rbx]
      {0xc4, 0xe3, 0x71, 0x4c, 0xc2, 0x30},  // vpblendvb xmm0, xmm1, xmm2, xmm3
      {0x66, 0x0f, 0x38, 0x15, 0xca},        // blendvpd xmm1, xmm2, xmm0
      {0x0f, 0x38, 0xcb, 0xca},              // sha256rnds2 xmm1, xmm2, xmm0
      {0xf2, 0x48, 0x0f, 0x2a, 0xc0},        // cvtsi2sd xmm0, rax
      {0xdb, 0x2b},                          // fld tbyte ptr [rbx]
      {0xdb, 0xf1},                          // fcomi st, st(1)
      {0x0f, 0x77},                          // emms
      {0x48, 0x0f, 0x6e, 0xc8},              // movq mm1, rax
      {0x0f, 0xfe, 0xca},                    // paddd mm1, mm2
      {0x48, 0x0f, 0xc7, 0xf8},              // rdseed rax
  };
  for (const Bytes& code : allowed) {
    const Instruction instruction = Decoded(code);
    EXPECT_TRUE(NativeTraitsOf(instruction)) << Disassemble(instruction, 0);
    EXPECT_TRUE(EncodeForHost(instruction)) << Disassemble(instruction, 0);
  }
}

TEST(NativePolicyTest, AnythingThatCouldDoHarmIsRefused) {
  const std::vector<Bytes> refused = {
      {0x66, 0x0f, 0xf7, 0xca},              // maskmovdqu: stores at [rdi]
      {0xc4, 0xe2, 0x71, 0x2e, 0x13},        // vmaskmovps
      {0xc4, 0xe2, 0x61, 0x90, 0x0c, 0x93},  // vpgatherdd: many addresses
      {0xdd, 0x33},                          // fnsave
      {0xd9, 0x23},                          // fldenv
      {0x0f, 0x05},                          // syscall
      {0xcd, 0x80},                          // int 0x80
      {0xf4},                                // hlt
      {0xc3},                                // ret
      {0xeb, 0x00},                          // jmp
      {0x50},                                // push rax
      {0x48, 0x89, 0x03},                    // mov [rbx], rax: KVM knows it
      {0x48, 0xf7, 0xf3},                    // div rbx: can fault
      {0x8e, 0xd8},                          // mov ds, eax
      {0x0f, 0xa2},                          // cpuid
      {0x0f, 0x31},                          // rdtsc
      {0xf3, 0xa4},                          // rep movsb
      {0x0f, 0x01, 0xef},                    // wrpkru
      {0x0f, 0xae, 0x13},                    // ldmxcsr: the run has its own
      {0x62, 0xf1, 0x7c, 0x48, 0x28, 0x03},  // vmovaps zmm0, [rbx]
  };
  for (const Bytes& code : refused) {
    const Instruction instruction = Decoded(code);
    EXPECT_FALSE(NativeTraitsOf(instruction)) << Disassemble(instruction, 0);
  }
}

TEST(NativePolicyTest, TraitsSayWhatIsTouched) {
  const auto store = NativeTraitsOf(Decoded({0x66, 0x44, 0x0f, 0x7f, 0x0b}));  // movdqa
  ASSERT_TRUE(store);
  EXPECT_TRUE(store->sse);
  EXPECT_FALSE(store->avx);
  EXPECT_EQ(store->memory, 0U);
  EXPECT_EQ(store->memory_size, 16U);
  EXPECT_EQ(store->alignment, 16U);
  EXPECT_TRUE(store->writes_memory);
  const auto count = NativeTraitsOf(Decoded({0xf3, 0x0f, 0xb8, 0x03}));  // popcnt eax, [rbx]
  ASSERT_TRUE(count);
  EXPECT_FALSE(count->uses_fpu());
  EXPECT_FALSE(count->writes_memory);
  EXPECT_EQ(count->memory_size, 4U);
  EXPECT_EQ(count->alignment, 1U);
  EXPECT_TRUE(NativeTraitsOf(Decoded({0x0f, 0x77}))->mmx);
  EXPECT_TRUE(NativeTraitsOf(Decoded({0xc5, 0xf8, 0x77}))->avx);
  EXPECT_TRUE(NativeTraitsOf(Decoded({0xd9, 0xe8}))->x87);
}

TEST(NativePolicyTest, RewritingReplacesTheAddressAndTheStackPointer) {
  const auto load = EncodeForHost(Decoded({0x65, 0xf3, 0x48, 0x0f, 0xb8, 0x5c, 0x24, 0x08}));
  ASSERT_TRUE(load);  // popcnt rbx, gs:[rsp+8]
  EXPECT_NE(load->scratch, Reg::kRbx);
  EXPECT_FALSE(load->stack_pointer);
  const auto move = EncodeForHost(Decoded({0x66, 0x48, 0x0f, 0x6e, 0xc4}));  // movq xmm0, rsp
  ASSERT_TRUE(move);
  ASSERT_TRUE(move->stack_pointer);
  EXPECT_NE(*move->stack_pointer, move->scratch);
  EXPECT_NE(*move->stack_pointer, Reg::kRsp);
}

TEST(NativePolicyTest, ThirtyTwoBitInstructionsGetA64BitForm) {
  const auto encoding =
      EncodeForHost(Decoded({0xf3, 0x0f, 0xb8, 0x05, 0x10, 0x20, 0x02, 0x00}, CodeMode::k32));
  ASSERT_TRUE(encoding);  // popcnt eax, [0x22010]
  const Instruction made = Decoded({encoding->code().begin(), encoding->code().end()});
  EXPECT_EQ(made.operands()[1].mem.base,
            ZydisRegisterEncode(ZYDIS_REGCLASS_GPR64, static_cast<ZyanU8>(encoding->scratch)));
}

}  // namespace
}  // namespace veneer
