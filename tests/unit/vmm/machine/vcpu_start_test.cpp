#include "src/vmm/machine/vcpu_start.h"

#include <memory>
#include <utility>

#include <gtest/gtest.h>

#include "support/scripted_vcpu.h"

namespace veneer {
namespace {

class VcpuStart : public ::testing::Test {
 protected:
  std::unique_ptr<GuestMemory> memory = std::move(*GuestMemory::CreateFlat(kPageSize));
  ScriptedVcpu vcpu{*memory};
};

TEST_F(VcpuStart, In32BitsAsItsContextSays) {
  vcpu_hvm_context_t context{};
  context.mode = VCPU_HVM_MODE_32B;
  vcpu_hvm_x86_32& given = context.cpu_regs.x86_32;
  given.eax = 1;
  given.edi = 2;
  given.esp = 0x9000;
  given.eip = 0x100000;
  given.cr0 = 0x11;
  given.cr3 = 0x3000;
  given.cr4 = 0x10;
  given.efer = 0x800;
  given.cs_base = 0x10;
  given.cs_limit = 0xfffff;
  given.cs_ar = 0x498;  // not accessed yet
  given.ss_ar = 0xcf3;
  given.tr_ar = 0x89;  // not busy yet
  vcpu.system.fs.base = 0x1234;
  EXPECT_TRUE(StartWith(vcpu, context));
  EXPECT_TRUE(vcpu.runnable);
  EXPECT_EQ(vcpu.registers[Reg::kRax], 1U);
  EXPECT_EQ(vcpu.registers[Reg::kRdi], 2U);
  EXPECT_EQ(vcpu.registers[Reg::kRsp], 0x9000U);
  EXPECT_EQ(vcpu.registers.rip, 0x100000U);
  EXPECT_EQ(vcpu.registers.rflags, 2U);
  EXPECT_EQ(vcpu.system.cr0, 0x11U);
  EXPECT_EQ(vcpu.system.cr3, 0x3000U);
  EXPECT_EQ(vcpu.system.cr4, 0x10U);
  EXPECT_EQ(vcpu.system.efer, 0x800U);
  EXPECT_EQ(vcpu.system.cs.base, 0x10U);
  EXPECT_EQ(vcpu.system.cs.limit, 0xfffffU);
  EXPECT_EQ(vcpu.system.cs.type, 9U);
  EXPECT_TRUE(vcpu.system.cs.system && vcpu.system.cs.present && vcpu.system.cs.default_size);
  EXPECT_FALSE(vcpu.system.cs.granularity);
  EXPECT_EQ(vcpu.system.ss.dpl, 3U);
  EXPECT_FALSE(vcpu.system.ds.present);
  EXPECT_EQ(vcpu.system.tr.type, 0xbU);
  EXPECT_FALSE(vcpu.system.tr.system);
  EXPECT_EQ(vcpu.system.fs.base, 0x1234U) << "not in the context";
}

TEST_F(VcpuStart, InLongModeWithTheSegmentsOfLongMode) {
  vcpu_hvm_context_t context{};
  context.mode = VCPU_HVM_MODE_64B;
  vcpu_hvm_x86_64& given = context.cpu_regs.x86_64;
  given.rbx = 3;
  given.rip = 0xffff'ffff'8000'0000;
  given.rflags = 0x200;
  given.cr0 = 0x80000011;
  given.cr3 = 0x5000;
  given.cr4 = 0x20;
  given.efer = 0x901;
  EXPECT_TRUE(StartWith(vcpu, context));
  EXPECT_TRUE(vcpu.runnable);
  EXPECT_EQ(vcpu.registers[Reg::kRbx], 3U);
  EXPECT_EQ(vcpu.registers.rip, 0xffff'ffff'8000'0000U);
  EXPECT_EQ(vcpu.registers.rflags, 0x202U);
  EXPECT_EQ(vcpu.system.efer, 0xd01U) << "long mode is active";
  EXPECT_TRUE(vcpu.system.cs.long_mode);
  EXPECT_EQ(vcpu.system.cs.type, 0xbU);
  EXPECT_EQ(vcpu.system.ds.type, 3U);
  EXPECT_EQ(vcpu.system.ss.limit, 0xffffffffU);
  EXPECT_EQ(vcpu.system.tr.limit, 0x67U);
}

TEST_F(VcpuStart, RegistersThatKvmRefusesLeaveItWaiting) {
  vcpu.accepts_system_registers = false;
  vcpu_hvm_context_t context{};
  context.cpu_regs.x86_32.eip = 0x100000;
  EXPECT_FALSE(StartWith(vcpu, context));
  EXPECT_FALSE(vcpu.runnable);
  EXPECT_EQ(vcpu.registers.rip, 0U);
}

}  // namespace
}  // namespace veneer
