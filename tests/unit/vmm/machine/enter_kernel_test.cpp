// The boot CPU's state at the kernel's first instruction, against what the boot protocols ask for.
#include <memory>
#include <ostream>

#include <gtest/gtest.h>

#include "src/vmm/machine/vcpu_setup.h"
#include "support/scripted_vcpu.h"

namespace veneer {

// Names the protocol in test names and messages.
static void PrintTo(BootProtocol protocol, std::ostream* out) {
  *out << (protocol == BootProtocol::kLinux64 ? "Linux64" : "PVH");
}

namespace {

BootEntry Entry(BootProtocol protocol) {
  BootEntry entry;
  entry.protocol = protocol;
  entry.rip = 0x1000200;
  entry.rsp = 0x8ff0;
  entry.info = Gpa{0x7000};
  entry.page_table = Gpa{0x9000};
  entry.gdt_base = Gpa{0x500};
  entry.gdt_limit = 0x27;
  entry.code_selector = 0x10;
  entry.data_selector = 0x18;
  entry.task_selector = 0x20;
  return entry;
}

class EnterKernelTest : public ::testing::Test {
 protected:
  EnterKernelTest() {
    // What is left over must not shine through.
    vcpu_.registers.gpr.fill(0xdead);
    vcpu_.registers.rflags = 0x202;
    vcpu_.system.cr0 = 0x60000010;  // as after reset: caches off
    vcpu_.system.cr2 = 0xdead;
    vcpu_.system.cr3 = 0xdead000;
    vcpu_.system.cr4 = 0x2000;
    vcpu_.system.apic_base = 0xfee00900;
    vcpu_.system.idt = {0xdead, 0xffff};
  }

  const std::unique_ptr<GuestMemory> memory_ = GuestMemory::CreateFlat(kPageSize).value();
  ScriptedVcpu vcpu_{*memory_};
};

TEST_F(EnterKernelTest, FirmwareBeginsAtTheEndOfTheFirstMebibyte) {
  vcpu_.system.cs = {};
  vcpu_.system.cs.base = 0xffff0000;
  BootEntry entry;
  entry.protocol = BootProtocol::kReset;
  ASSERT_TRUE(EnterKernel(vcpu_, entry));
  EXPECT_EQ(vcpu_.system.cs.base + vcpu_.registers.rip, 0xffff0U);
  EXPECT_EQ(vcpu_.system.cs.selector, 0xf000);
  EXPECT_EQ(vcpu_.system.cr0, 0x60000010U);
  EXPECT_EQ(vcpu_.registers.rflags, 2U);
}

class EnterEither : public EnterKernelTest, public ::testing::WithParamInterface<BootProtocol> {};

TEST_P(EnterEither, StartsAtTheEntryWithInterruptsOffAndOnlyTheInfoRegisterSet) {
  const BootEntry entry = Entry(GetParam());
  ASSERT_TRUE(EnterKernel(vcpu_, entry));
  EXPECT_EQ(vcpu_.registers.rip, entry.rip);
  EXPECT_EQ(vcpu_.registers.rflags, 2U);
  Registers expected;
  expected[Reg::kRsp] = entry.rsp;
  expected[GetParam() == BootProtocol::kLinux64 ? Reg::kRsi : Reg::kRbx] = entry.info.value;
  EXPECT_EQ(vcpu_.registers.gpr, expected.gpr);
}

TEST_P(EnterEither, HasFlatDataSegments) {
  ASSERT_TRUE(EnterKernel(vcpu_, Entry(GetParam())));
  const SystemRegisters& system = vcpu_.system;
  for (const Segment* data : {&system.ds, &system.es, &system.fs, &system.gs, &system.ss}) {
    EXPECT_EQ(data->selector, 0x18);
    EXPECT_EQ(data->base, 0U);
    EXPECT_EQ(data->limit, 0xffffffffU);
    EXPECT_EQ(data->type, 3);  // writable, accessed
    EXPECT_EQ(data->dpl, 0);
    EXPECT_TRUE(data->present);
    EXPECT_TRUE(data->system);
    EXPECT_TRUE(data->default_size);
    EXPECT_TRUE(data->granularity);
    EXPECT_FALSE(data->long_mode);
  }
}

TEST_P(EnterEither, HasABusyTssAndTheKernelsGdtAndNoIdt) {
  ASSERT_TRUE(EnterKernel(vcpu_, Entry(GetParam())));
  const SystemRegisters& system = vcpu_.system;
  EXPECT_EQ(system.tr.selector, 0x20);
  EXPECT_EQ(system.tr.base, 0U);
  EXPECT_EQ(system.tr.limit, 0x67U);
  EXPECT_EQ(system.tr.type, 0xb);
  EXPECT_TRUE(system.tr.present);
  EXPECT_FALSE(system.tr.system);
  EXPECT_EQ(system.gdt.base, 0x500U);
  EXPECT_EQ(system.gdt.limit, 0x27);
  EXPECT_EQ(system.idt.base, 0U);
  EXPECT_EQ(system.idt.limit, 0);
}

TEST_P(EnterEither, LeavesTheLocalApicWhereItIs) {
  ASSERT_TRUE(EnterKernel(vcpu_, Entry(GetParam())));
  EXPECT_EQ(vcpu_.system.apic_base, 0xfee00900U);
}

TEST_P(EnterEither, IsAHostErrorWhenKvmDoesNotTakeTheState) {
  vcpu_.accepts_system_registers = false;
  const Result<void> result = EnterKernel(vcpu_, Entry(GetParam()));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::kHost);
}

INSTANTIATE_TEST_SUITE_P(BothProtocols, EnterEither,
                         ::testing::Values(BootProtocol::kLinux64, BootProtocol::kPvh));

TEST_F(EnterKernelTest, Linux64IsInLongModeWithTheIdentityMap) {
  ASSERT_TRUE(EnterKernel(vcpu_, Entry(BootProtocol::kLinux64)));
  const SystemRegisters& system = vcpu_.system;
  EXPECT_EQ(system.cs.selector, 0x10);
  EXPECT_EQ(system.cs.type, 0xb);  // readable code, accessed
  EXPECT_TRUE(system.cs.long_mode);
  EXPECT_FALSE(system.cs.default_size);  // both would be reserved
  EXPECT_EQ(system.cr0, kCr0Paging | kCr0ProtectedMode | kCr0ExtensionType | kCr0NumericError);
  EXPECT_EQ(system.cr3, 0x9000U);
  EXPECT_EQ(system.cr4, kCr4PhysicalAddressExtension);
  EXPECT_EQ(system.efer, kEferLongModeEnable | kEferLongModeActive);
}

TEST_F(EnterKernelTest, PvhIsIn32BitProtectedModeWithoutPaging) {
  ASSERT_TRUE(EnterKernel(vcpu_, Entry(BootProtocol::kPvh)));
  const SystemRegisters& system = vcpu_.system;
  EXPECT_EQ(system.cs.selector, 0x10);
  EXPECT_EQ(system.cs.type, 0xb);
  EXPECT_EQ(system.cs.base, 0U);
  EXPECT_EQ(system.cs.limit, 0xffffffffU);
  EXPECT_TRUE(system.cs.default_size);
  EXPECT_FALSE(system.cs.long_mode);
  EXPECT_EQ(system.cr0, kCr0ProtectedMode | kCr0ExtensionType | kCr0NumericError);
  EXPECT_EQ(system.cr4, 0U);
  EXPECT_EQ(system.efer, 0U);
}

}  // namespace
}  // namespace veneer
