#include "src/vmm/pvm/syscall_assist.h"

#include <cstdint>

#include "assist_fixture.h"
#include "veneer/vmm/pvm/pvm_assists.h"

namespace veneer {
namespace {

constexpr std::uint64_t kIdt = 0xfffffe0000000000;
constexpr Gpa kIdtGpa{0x40000};
constexpr std::uint64_t kHandler = 0xffffffff81000800;
constexpr std::uint64_t kEntry = 0xffffffff81000400;  // LSTAR
constexpr std::uint64_t kFmask = 0x257fd5;
constexpr std::uint64_t kUserFlags = 0x246;
constexpr std::uint64_t kUserStack = 0x7ffe00001000;

class SyscallAssistTest : public AssistFixture {
 protected:
  void SetUp() override {
    AssistFixture::SetUp();
    tables_->Map(kIdt, kIdtGpa, PageTableBuilder::kPresent | PageTableBuilder::kNoExecute);
    vcpu_->msrs = {{kMsrStar, 0x0023001000000000}, {kMsrLstar, 0}, {kMsrSfmask, kFmask}};
    vcpu_->system.idt = {kIdt, 0xfff};
    SetGate(kHandler, true);
    syscalls_ = MakePvmAssists(*memory_, metrics_);
  }

  void SetGate(std::uint64_t handler, bool present) {
    const std::uint64_t low = (handler & 0xffff) | 0x10U << 16U |
                              (present ? std::uint64_t{0x8e} << 40U : 0) |
                              (handler >> 16U & 0xffff) << 48U;
    ASSERT_TRUE(memory_->Write(kIdtGpa + 14 * 16, low));
    ASSERT_TRUE(memory_->Write(kIdtGpa + 14 * 16 + 8, handler >> 32U));
  }

  std::uint8_t WriteLstar(std::uint64_t value) {
    std::uint8_t fault = 0xff;
    EXPECT_EQ(syscalls_->OnExit(*vcpu_, MsrExit{kMsrLstar, true, &value, &fault}),
              Outcome::kHandled);
    return fault;
  }

  Outcome Break(std::uint64_t rip) {
    vcpu_->registers.rip = rip;
    return syscalls_->OnExit(*vcpu_, DebugExit{rip, 1, 1});
  }

  // The vCPU at the first instruction of the handler, after a fault at `rip`.
  void EnterHandler(std::uint64_t cr2, std::uint64_t rip, std::uint64_t error_code,
                    std::uint64_t cs) {
    vcpu_->system.cr2 = cr2;
    Gpr(Reg::kRsp) = kData + kPageSize - 24;  // the frame crosses a page
    Store<std::array<std::uint64_t, 6>>(kData + kPageSize - 24,
                                        {error_code, rip, cs, kUserFlags, kUserStack, 0x2b});
    vcpu_->registers.rflags = 2;
    Gpr(Reg::kRcx) = 0x401234;
    Gpr(Reg::kR11) = kUserFlags;
  }

  std::optional<std::uint64_t> Breakpoint() const {
    return vcpu_->debug_settings.empty() ? std::nullopt : vcpu_->debug_settings.back().breakpoint;
  }
  bool Stepping() const { return vcpu_->debug_settings.back().single_step; }

  std::unique_ptr<ExitHandler> syscalls_;
};

TEST_F(SyscallAssistTest, LstarWriteReachesTheMsrAndSetsABreakpointOnThePageFaultHandler) {
  EXPECT_EQ(WriteLstar(kEntry), 0);
  EXPECT_EQ(vcpu_->msrs[kMsrLstar], kEntry);
  EXPECT_EQ(Breakpoint(), kHandler);
  EXPECT_FALSE(Stepping());
}

TEST_F(SyscallAssistTest, LstarReadsBack) {
  WriteLstar(kEntry);
  std::uint64_t value = 0;
  std::uint8_t fault = 0xff;
  EXPECT_EQ(syscalls_->OnExit(*vcpu_, MsrExit{kMsrLstar, false, &value, &fault}),
            Outcome::kHandled);
  EXPECT_EQ(value, kEntry);
  EXPECT_EQ(fault, 0);
}

TEST_F(SyscallAssistTest, RefusedLstarFaults) {
  vcpu_->msrs.clear();
  EXPECT_EQ(WriteLstar(0x8000000000000000), 1);
  EXPECT_TRUE(vcpu_->debug_settings.empty());
}

TEST_F(SyscallAssistTest, OtherMsrsAreNotMine) {
  std::uint64_t value = 0;
  std::uint8_t fault = 0;
  EXPECT_EQ(syscalls_->OnExit(*vcpu_, MsrExit{kMsrStar, true, &value, &fault}), Outcome::kNotMine);
}

TEST_F(SyscallAssistTest, SyscallIsFinished) {
  WriteLstar(kEntry);
  for (const std::uint64_t error_code : {0x14, 0x15, 0x4}) {
    EnterHandler(kEntry, kEntry, error_code, 0x33);
    vcpu_->system.ss = Segment{};
    ASSERT_EQ(Break(kHandler), Outcome::kHandled);
    EXPECT_EQ(vcpu_->registers.rip, kEntry);
    EXPECT_EQ(Gpr(Reg::kRsp), kUserStack);
    EXPECT_EQ(Gpr(Reg::kRcx), 0x401234U);
    EXPECT_EQ(Gpr(Reg::kR11), kUserFlags);
    EXPECT_EQ(vcpu_->registers.rflags, (kUserFlags & ~kFmask) | 2);
    EXPECT_EQ(vcpu_->system.cs.selector, 0x10);
    EXPECT_EQ(vcpu_->system.cs.dpl, 0);
    EXPECT_TRUE(vcpu_->system.cs.long_mode);
    EXPECT_FALSE(vcpu_->system.cs.default_size);
    EXPECT_EQ(vcpu_->system.ss.selector, 0x18);
    EXPECT_TRUE(vcpu_->system.ss.present);
    EXPECT_EQ(vcpu_->debug_settings.size(), 1U);  // the breakpoint stays
  }
  EXPECT_EQ(metrics_.Get("assist.syscalls").value(), 3U);
}

TEST_F(SyscallAssistTest, JumpToLstarDoesNotSmuggleFlags) {
  WriteLstar(kEntry);
  EnterHandler(kEntry, kEntry, 0x14, 0x33);
  Gpr(Reg::kR11) = 0x3000 | 1U << 17U | 1U << 16U | kRflagsCarry;  // IOPL 3, VM, RF, no IF
  ASSERT_EQ(Break(kHandler), Outcome::kHandled);
  EXPECT_EQ(Gpr(Reg::kR11), kRflagsInterrupt | kRflagsCarry | 2);
}

TEST_F(SyscallAssistTest, OrdinaryPageFaultIsSteppedOver) {
  WriteLstar(kEntry);
  ASSERT_TRUE(memory_->Write<std::uint8_t>(kCodeGpa + 0x800, 0xfc));  // cld, which we can perform
  EnterHandler(0x401000, 0x401000, 0x14, 0x33);
  ASSERT_EQ(Break(kHandler), Outcome::kHandled);
  EXPECT_EQ(vcpu_->registers.rip, kHandler + 1);
  EXPECT_EQ(vcpu_->debug_settings.size(), 1U);
  EXPECT_EQ(metrics_.Get("assist.page_faults_seen").value(), 1U);
  EXPECT_EQ(metrics_.Get("assist.single_steps").value(), 0U);
}

TEST_F(SyscallAssistTest, UnknownFirstInstructionIsSingleStepped) {
  WriteLstar(kEntry);
  ASSERT_TRUE(memory_->Write<std::uint8_t>(kCodeGpa + 0x800, 0x50));  // push rax
  EnterHandler(0x401000, 0x401000, 0x14, 0x33);
  ASSERT_EQ(Break(kHandler), Outcome::kHandled);
  EXPECT_EQ(vcpu_->registers.rip, kHandler);
  EXPECT_TRUE(Stepping());
  EXPECT_EQ(Breakpoint(), std::nullopt);
  ASSERT_EQ(Break(kHandler + 1), Outcome::kHandled);
  EXPECT_FALSE(Stepping());
  EXPECT_EQ(Breakpoint(), kHandler);
  EXPECT_EQ(vcpu_->registers.rflags & kRflagsTrap, 0U);
}

TEST_F(SyscallAssistTest, StepEndsWhenAnAssistMovesRip) {
  WriteLstar(kEntry);
  ASSERT_TRUE(memory_->Write<std::uint8_t>(kCodeGpa + 0x800, 0xcc));  // traps: not performed early
  EnterHandler(0x401000, 0x401000, 0x14, 0x33);
  ASSERT_EQ(Break(kHandler), Outcome::kHandled);
  ASSERT_TRUE(Stepping());
  EmulationFailureExit failure{};
  failure.bytes[0] = 0xcc;
  failure.length = 1;
  ASSERT_EQ(syscalls_->OnExit(*vcpu_, failure), Outcome::kHandled);
  EXPECT_FALSE(Stepping());
  EXPECT_EQ(Breakpoint(), kHandler);
}

TEST_F(SyscallAssistTest, FaultsThatOnlyResembleASyscallGoToTheGuest) {
  WriteLstar(kEntry);
  ASSERT_TRUE(memory_->Write<std::uint8_t>(kCodeGpa + 0x800, 0xfc));
  struct Case {
    std::uint64_t cr2, rip, error_code, cs;
  };
  for (const Case& fault : {Case{kEntry + 1, kEntry, 0x14, 0x33},
                            Case{kEntry, 0x401000, 0x14, 0x33}, Case{kEntry, kEntry, 0x14, 0x10},
                            Case{kEntry, kEntry, 0x10, 0x33}, Case{kEntry, kEntry, 0x6, 0x33}}) {
    EnterHandler(fault.cr2, fault.rip, fault.error_code, fault.cs);
    ASSERT_EQ(Break(kHandler), Outcome::kHandled);
    EXPECT_EQ(vcpu_->registers.rip, kHandler + 1);
  }
  EXPECT_EQ(metrics_.Get("assist.syscalls").value(), 0U);
}

TEST_F(SyscallAssistTest, UnreadableStackGoesToTheGuest) {
  WriteLstar(kEntry);
  ASSERT_TRUE(memory_->Write<std::uint8_t>(kCodeGpa + 0x800, 0xfc));
  EnterHandler(kEntry, kEntry, 0x14, 0x33);
  Gpr(Reg::kRsp) = 0x1234;
  ASSERT_EQ(Break(kHandler), Outcome::kHandled);
  EXPECT_EQ(vcpu_->registers.rip, kHandler + 1);
}

TEST_F(SyscallAssistTest, RefusedStateGoesToTheGuest) {
  WriteLstar(kEntry);
  ASSERT_TRUE(memory_->Write<std::uint8_t>(kCodeGpa + 0x800, 0xfc));
  EnterHandler(kEntry, kEntry, 0x14, 0x33);
  vcpu_->accepts_system_registers = false;
  ASSERT_EQ(Break(kHandler), Outcome::kHandled);
  EXPECT_EQ(vcpu_->registers.rip, kHandler + 1);
  EXPECT_EQ(Gpr(Reg::kRsp), kData + kPageSize - 24);
}

TEST_F(SyscallAssistTest, LstarBeforeTheInterruptTableIsArmedLater) {
  SetGate(0, false);
  EXPECT_EQ(WriteLstar(kEntry), 0);
  EXPECT_EQ(Breakpoint(), std::nullopt);
  EXPECT_EQ(syscalls_->OnExit(*vcpu_, InterruptedExit{}), Outcome::kNotMine);
  EXPECT_EQ(Breakpoint(), std::nullopt);
  SetGate(kHandler, true);
  EXPECT_EQ(syscalls_->OnExit(*vcpu_, InterruptedExit{}), Outcome::kNotMine);
  EXPECT_EQ(Breakpoint(), kHandler);
}

TEST_F(SyscallAssistTest, ShortInterruptTableHasNoHandler) {
  vcpu_->system.idt.limit = 14 * 16 + 14;
  WriteLstar(kEntry);
  EXPECT_EQ(Breakpoint(), std::nullopt);
}

TEST_F(SyscallAssistTest, BreakpointFollowsTheHandler) {
  WriteLstar(kEntry);
  SetGate(kHandler + 0x40, true);
  ASSERT_EQ(Break(kHandler), Outcome::kHandled);
  EXPECT_EQ(Breakpoint(), kHandler + 0x40);
  EXPECT_EQ(vcpu_->registers.rip, kHandler);  // just code now: it runs on
  SetGate(kHandler, true);
  WriteLstar(kEntry + 8);
  EXPECT_EQ(Breakpoint(), kHandler);
}

TEST_F(SyscallAssistTest, ClearedLstarTakesTheBreakpointAway) {
  WriteLstar(kEntry);
  WriteLstar(0);
  EXPECT_EQ(Breakpoint(), std::nullopt);
  EXPECT_EQ(Break(kHandler), Outcome::kNotMine);
}

TEST_F(SyscallAssistTest, DebugExitsBeforeLstarAreNotMine) {
  EXPECT_EQ(Break(kHandler), Outcome::kNotMine);
}

TEST_F(SyscallAssistTest, ChainPerformsInstructions) {
  EmulationFailureExit failure{};
  failure.bytes = {0x0f, 0x01, 0xcb};
  failure.length = 3;
  EXPECT_EQ(syscalls_->OnExit(*vcpu_, failure), Outcome::kHandled);
  EXPECT_EQ(vcpu_->registers.rip, kCode + 3);
}

}  // namespace
}  // namespace veneer
