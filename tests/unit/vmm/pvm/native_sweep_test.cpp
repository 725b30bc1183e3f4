// Runs everything that the policy lets through, opcode map by opcode map: a single instruction that
// faults on the host would end the test with a signal.
#include <cstdint>
#include <string>

#include "assist_fixture.h"
#include "src/vmm/pvm/native_encoding.h"
#include "src/vmm/pvm/native_policy.h"

namespace veneer {
namespace {

class NativeSweepTest : public AssistFixture {
 protected:
  // ModRM (and SIB) for register, memory and stack-relative memory operands.
  const std::vector<Bytes> kOperands = {{0xca}, {0xe1}, {0x0b}, {0x4c, 0x24, 0x10}};

  void SetUp() override {
    AssistFixture::SetUp();
    start_ = vcpu_->registers;
    for (std::size_t i = 0; i < start_.gpr.size(); ++i) {
      start_.gpr.at(i) = 0x8877665544332211 * (i + 1);
    }
    start_[Reg::kRbx] = kData + 0x40;
    start_[Reg::kRsp] = kData + 0x80;
    fpu_ = vcpu_->xsave;
    for (std::size_t i = 0; i < 16; ++i) {
      StoreField<Xmm>(fpu_, kFxXmm + i * 16, {0x7ff0000000000001 + i, 0x3ff0123456789abc});
    }
    StoreField<std::uint32_t>(fpu_, kFxMxcsr, 0);  // every exception unmasked
  }

  void Try(Bytes code) {
    code.resize(kMaxInstructionLength, 0x11);  // immediate operands
    vcpu_->registers = start_;
    vcpu_->xsave = fpu_;
    vcpu_->injected.reset();
    if (Execute(code) == Outcome::kHandled) {
      ++handled_;
      return;
    }
    const Decoding decoding = Decode(CodeMode::k64, code);
    const auto* instruction = std::get_if<Instruction>(&decoding);
    if (instruction != nullptr && NativeTraitsOf(*instruction)) {
      ADD_FAILURE() << "allowed, but did not run: " << Disassemble(*instruction, 0);
    }
  }

  // All opcodes of a map with all operand forms.
  void Sweep(const Bytes& head) {
    for (unsigned opcode = 0; opcode < 256; ++opcode) {
      for (const Bytes& operands : kOperands) {
        Bytes code = head;
        code.push_back(static_cast<std::uint8_t>(opcode));
        code.insert(code.end(), operands.begin(), operands.end());
        Try(code);
      }
    }
  }

  Registers start_;
  XsaveArea fpu_;
  int handled_ = 0;
};

TEST_F(NativeSweepTest, LegacyMaps) {
  for (const Bytes& prefix : {Bytes{}, Bytes{0x66}, Bytes{0xf3}, Bytes{0xf2}}) {
    for (const Bytes& rex : {Bytes{}, Bytes{0x48}, Bytes{0x45}}) {
      for (const Bytes& map : {Bytes{0x0f}, Bytes{0x0f, 0x38}, Bytes{0x0f, 0x3a}}) {
        Bytes head = prefix;
        head.insert(head.end(), rex.begin(), rex.end());
        head.insert(head.end(), map.begin(), map.end());
        Sweep(head);
      }
    }
  }
  EXPECT_GT(handled_, 1000);
}

TEST_F(NativeSweepTest, VexMaps) {
  for (const unsigned map : {1U, 2U, 3U}) {
    // W, vvvv, L and the mandatory prefix.
    for (const unsigned last : {0x70U, 0x71U, 0x72U, 0x73U, 0x74U, 0x75U, 0xf1U, 0xf2U, 0xf3U,
                                0x78U, 0x79U, 0x7aU, 0x7bU, 0x7cU, 0x7dU, 0xf8U, 0xf9U, 0xfbU}) {
      Sweep({0xc4, static_cast<std::uint8_t>(0xe0U | map), static_cast<std::uint8_t>(last)});
    }
  }
  EXPECT_GT(handled_, 1000);
}

TEST_F(NativeSweepTest, X87) {
  for (unsigned opcode = 0xd8; opcode <= 0xdf; ++opcode) {
    for (unsigned modrm = 0; modrm < 256; ++modrm) {
      if ((modrm & 7U) == 3 || modrm >= 0xc0) {  // [rbx], or registers
        Try({static_cast<std::uint8_t>(opcode), static_cast<std::uint8_t>(modrm)});
      }
    }
  }
  EXPECT_GT(handled_, 500);
}

}  // namespace
}  // namespace veneer
