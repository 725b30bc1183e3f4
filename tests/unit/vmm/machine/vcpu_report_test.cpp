#include "src/vmm/machine/vcpu_report.h"

#include <gtest/gtest.h>

#include "support/scripted_vcpu.h"
#include "support/units.h"

namespace veneer {
namespace {

TEST(VcpuReport, TellsWhereAVcpuStandsAndWhatWaitsForIt) {
  const auto memory = GuestMemory::CreateFlat(kMiB).value();
  ScriptedVcpu vcpu(*memory, 1);
  vcpu.registers.rip = 0xffffffff81000000;
  vcpu.registers[Reg::kRsp] = 0x1000;
  vcpu.registers.rflags = 0x202;
  vcpu.interrupt_state = {.activity = InterruptState::Activity::kHalted,
                          .requested = {0xf3, 0x20},
                          .in_service = {0xec},
                          .task_priority = 0x10};
  EXPECT_EQ(VcpuReport(vcpu),
            "vCPU 1: halted, rip=0xffffffff81000000 rsp=0x1000 if=1 irr=[0xf3 0x20] isr=[0xec] "
            "tpr=0x10");
  vcpu.registers.rflags = 2;
  vcpu.interrupt_state = InterruptState();
  vcpu.interrupt_state.activity = InterruptState::Activity::kWaitsForInit;
  EXPECT_EQ(VcpuReport(vcpu),
            "vCPU 1: not started, rip=0xffffffff81000000 rsp=0x1000 if=0 irr=[] isr=[] tpr=0x0");
}

}  // namespace
}  // namespace veneer
