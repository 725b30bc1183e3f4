#include "src/vmm/machine/xen_vcpu.h"

#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/vmm/machine/xen_layout.h"
#include "support/fake_vm.h"
#include "support/scripted_vcpu.h"
#include "support/xen_guest.h"
#include "veneer/xencompat/entry/xen_cpuid.h"

namespace veneer {
namespace {

using Outcome = ExitHandler::Outcome;

constexpr std::uint32_t kMsrKvmSystemTimeNew = 0x4b564d01;
constexpr std::uint64_t kMinusEperm = static_cast<std::uint64_t>(-XEN_EPERM);
constexpr std::uint64_t kMinusEinval = static_cast<std::uint64_t>(-XEN_EINVAL);
constexpr std::uint64_t kMinusEnosys = static_cast<std::uint64_t>(-XEN_ENOSYS);
constexpr std::uint64_t kVersion = (std::uint64_t{4} << 16U) | 17U;
constexpr std::uint64_t kOldRax = 0x1111'2222'3333'4444;

class XenVcpuTest : public ::testing::Test {
 protected:
  XenVcpuTest() {
    vcpu_.system.efer = kEferLongModeEnable | kEferLongModeActive;
    vcpu_.system.cs.long_mode = true;
    vcpu_.msrs = {{kMsrKvmSystemTimeNew, 0}, {kMsrEfer, 0}};
    threads_.push_back(std::make_unique<VcpuThread>(
        std::make_unique<ScriptedVcpu>(*guest_.memory),
        VcpuContext{gate_, bus_, bus_, *guest_.memory, guest_.metrics, {}}));
    EXPECT_TRUE(upcalls_.Prepare());
  }

  XenVcpu Make() {
    return XenVcpu({*guest_.domain, *guest_.hypercalls, upcalls_, *guest_.memory, gate_,
                    guest_.metrics, watch_, clock_, life_},
                   vcpu_);
  }
  void SetUserMode() { vcpu_.system.ss.dpl = 3; }
  void Set32Bit() { vcpu_.system.cs.long_mode = false; }
  static PioExit Out(std::uint8_t port, std::uint32_t& value) {
    return PioExit{port, 4, true, 1, std::as_writable_bytes(std::span(&value, 1))};
  }
  // A call through the port, as the rewritten sites make it.
  std::uint64_t CallByPort(XenVcpu& xen, std::uint32_t number, std::uint64_t first = 0) {
    vcpu_.registers[Reg::kRax] = number;
    vcpu_.registers[Reg::kRdi] = first;
    vcpu_.registers[Reg::kRbx] = first;
    EXPECT_EQ(xen.OnExit(vcpu_, Out(kHypercallPorts.call, number)), Outcome::kHandled);
    return vcpu_.registers[Reg::kRax];
  }
  std::uint64_t CallByIntercept(XenVcpu& xen, std::uint64_t number, std::uint8_t cpl) {
    std::uint64_t result = kOldRax;
    EXPECT_EQ(xen.OnExit(vcpu_, XenHypercallExit{number, {XENVER_version}, true, cpl, &result}),
              Outcome::kHandled);
    return result;
  }
  void SendByPort(XenVcpu& xen, std::uint32_t port) {
    vcpu_.registers[Reg::kRax] = kOldRax;
    vcpu_.registers.rflags = 2;
    EXPECT_EQ(xen.OnExit(vcpu_, Out(kHypercallPorts.send, port)), Outcome::kHandled);
  }
  bool Carry() { return (vcpu_.registers.rflags & kRflagsCarry) != 0; }
  // Writes `value` to the MSR; the guest's #GP or not.
  bool WriteMsr(XenVcpu& xen, std::uint32_t index, std::uint64_t value) {
    std::uint8_t fault = 0xcc;
    EXPECT_EQ(xen.OnExit(vcpu_, MsrExit{index, true, &value, &fault}), Outcome::kHandled);
    return fault == 0;
  }

  testing::XenGuest guest_{GuestWidth::k64, 1};
  const std::unique_ptr<EventLoop> loop_ = EventLoop::Create().value();
  testing::FakeMsiSink msi_;
  testing::FakeResampledLines lines_;
  RunGate gate_;
  Bus bus_{"port", guest_.metrics.Get("bus.port.unclaimed")};
  std::vector<std::unique_ptr<VcpuThread>> threads_;
  Upcalls upcalls_{{msi_, lines_, *loop_, guest_.metrics, threads_,
                    [this](unsigned vcpu) { return guest_.domain->events().UpcallPending(vcpu); }},
                   1};
  std::atomic<std::uint64_t> clock_{0};
  std::atomic<unsigned> life_{0};
  KernelWatch watch_{*guest_.memory, KernelWatch::Expects::kAtBoot, [] {}};
  ScriptedVcpu vcpu_{*guest_.memory};
};

// ---- Its life.

TEST_F(XenVcpuTest, AVcpuThatIsTakenIsOfflineUntilTheGuestStartsItAgain) {
  std::vector<bool> changes;
  XenVcpu xen(
      {*guest_.domain, *guest_.hypercalls, upcalls_, *guest_.memory, gate_, guest_.metrics, watch_,
       clock_, life_, std::nullopt, [&](bool online) { changes.push_back(online); }},
      vcpu_);
  std::uint32_t number = __HYPERVISOR_xen_version;
  static_cast<void>(xen.OnExit(vcpu_, Out(kHypercallPorts.call, number)));
  static_cast<void>(xen.OnExit(vcpu_, Out(kHypercallPorts.call, number)));
  EXPECT_EQ(guest_.domain->ReadRunstate(0).state, RUNSTATE_running);
  EXPECT_THAT(changes, ::testing::ElementsAre(true));
  EXPECT_TRUE(guest_.domain->timers().SetPeriodic(0, 10'000'000));

  xen.OnTaken(vcpu_);
  EXPECT_EQ(guest_.domain->ReadRunstate(0).state, RUNSTATE_offline);
  static_cast<void>(xen.OnExit(vcpu_, Out(kHypercallPorts.call, number)));
  EXPECT_EQ(guest_.domain->ReadRunstate(0).state, RUNSTATE_running);
  EXPECT_THAT(changes, ::testing::ElementsAre(true, false, true));
}

// ---- Hypercalls.

TEST_F(XenVcpuTest, ACallThroughThePortPutsItsResultIntoRax) {
  XenVcpu xen = Make();
  EXPECT_EQ(CallByPort(xen, __HYPERVISOR_xen_version, XENVER_version), kVersion);
  EXPECT_EQ(CallByPort(xen, 39), kMinusEnosys);
}

TEST_F(XenVcpuTest, ACallFromUserModeIsRefused) {
  XenVcpu xen = Make();
  SetUserMode();
  EXPECT_EQ(CallByPort(xen, __HYPERVISOR_xen_version, XENVER_version), kMinusEperm);
}

TEST_F(XenVcpuTest, A32BitCallTakesItsArgumentsFromOtherRegistersAndGetsHalfOfRax) {
  XenVcpu xen = Make();
  Set32Bit();
  vcpu_.registers[Reg::kRdi] = 99;
  EXPECT_EQ(CallByPort(xen, __HYPERVISOR_xen_version, XENVER_version), kVersion);
  EXPECT_EQ(CallByPort(xen, 39), kMinusEnosys & 0xffffffffU);
}

TEST_F(XenVcpuTest, ACallThatKvmInterceptedIsAnsweredInTheRunPage) {
  XenVcpu xen = Make();
  EXPECT_EQ(CallByIntercept(xen, __HYPERVISOR_xen_version, 0), kVersion);
  EXPECT_EQ(CallByIntercept(xen, __HYPERVISOR_xen_version, 3), kMinusEperm);
}

TEST_F(XenVcpuTest, OtherPortsAndOtherSizesAreTheMachines) {
  XenVcpu xen = Make();
  std::uint32_t value = 0;
  EXPECT_EQ(xen.OnExit(vcpu_, Out(0xed, value)), Outcome::kNotMine);
  PioExit narrow = Out(kHypercallPorts.call, value);
  narrow.size = 1;
  EXPECT_EQ(xen.OnExit(vcpu_, narrow), Outcome::kNotMine);
  PioExit read = Out(kHypercallPorts.call, value);
  read.write = false;
  EXPECT_EQ(xen.OnExit(vcpu_, read), Outcome::kNotMine);
}

// ---- The send port.

TEST_F(XenVcpuTest, ASendThatWorksLeavesRaxAndCarryAsTheStubWantsThem) {
  XenVcpu xen = Make();
  int rang = 0;
  const EvtchnPort port = guest_.domain->events().AllocGuestUnbound().value();
  ASSERT_TRUE(guest_.domain->events().BindHost(port, [&rang] { ++rang; }));
  SendByPort(xen, port.value);
  EXPECT_EQ(rang, 1);
  EXPECT_EQ(vcpu_.registers[Reg::kRax], kOldRax);
  EXPECT_FALSE(Carry());
}

TEST_F(XenVcpuTest, ASendThatFailsHasItsErrorInRaxAndCarrySet) {
  XenVcpu xen = Make();
  SendByPort(xen, 77);
  EXPECT_EQ(vcpu_.registers[Reg::kRax], kMinusEinval);
  EXPECT_TRUE(Carry());
}

TEST_F(XenVcpuTest, ASendFromUserModeIsRefusedAndNotMade) {
  XenVcpu xen = Make();
  int rang = 0;
  const EvtchnPort port = guest_.domain->events().AllocGuestUnbound().value();
  ASSERT_TRUE(guest_.domain->events().BindHost(port, [&rang] { ++rang; }));
  SetUserMode();
  SendByPort(xen, port.value);
  EXPECT_EQ(rang, 0);
  EXPECT_EQ(vcpu_.registers[Reg::kRax], kMinusEperm);
  EXPECT_TRUE(Carry());
}

// ---- MSRs.

TEST_F(XenVcpuTest, TheHypercallMsrPlacesThePageAndLatchesTheWidth) {
  XenVcpu xen = Make();
  Set32Bit();
  EXPECT_TRUE(WriteMsr(xen, kXenHypercallMsr, 0x5000));
  EXPECT_EQ(guest_.domain->width(), GuestWidth::k32);
  // The stub of call 1: mov eax, 1; out call, eax; ret.
  const std::array<std::uint8_t, 8> stub = {0xb8, 1, 0, 0, 0, 0xe7, kHypercallPorts.call, 0xc3};
  std::array<std::uint8_t, 8> found{};
  ASSERT_TRUE(guest_.memory->ReadBytes(Gpa{0x5020}, std::as_writable_bytes(std::span(found))));
  EXPECT_EQ(found, stub);
}

TEST_F(XenVcpuTest, APlaceThatIsNoPageOfRamFaults) {
  XenVcpu xen = Make();
  EXPECT_FALSE(WriteMsr(xen, kXenHypercallMsr, 0x5001));
  EXPECT_FALSE(WriteMsr(xen, kXenHypercallMsr, testing::XenGuest::kHole.Address().value));
}

TEST_F(XenVcpuTest, AnEferThatTheKernelsWatchAskedForIsSet) {
  XenVcpu xen = Make();
  EXPECT_TRUE(WriteMsr(xen, kMsrEfer, kEferSyscall));
  EXPECT_EQ(vcpu_.msrs[kMsrEfer], kEferSyscall);
}

// ---- Before it runs.

TEST_F(XenVcpuTest, AnEoiLessUpcallIsInjectedBeforeTheVcpuRuns) {
  XenVcpu xen = Make();
  upcalls_.SetMethod(CallbackVector{0x31});
  // A vcpu_info that was just registered has its upcall pending.
  ASSERT_TRUE(guest_.domain->RegisterVcpuInfo(0, 0, Gfn{3}, 0));
  upcalls_.Raise(0);
  xen.BeforeRun(vcpu_);
  EXPECT_THAT(vcpu_.interrupts, ::testing::ElementsAre(0x31));
}

TEST_F(XenVcpuTest, TheClockIsKeptWhereTheGuestHasIt) {
  XenVcpu xen = Make();
  clock_ = 0x3020;
  xen.BeforeRun(vcpu_);
  EXPECT_EQ(vcpu_.msrs[kMsrKvmSystemTimeNew], 0x3020U | 1U);
}

TEST_F(XenVcpuTest, TheVcpuCountsAsRunningFromItsFirstExit) {
  XenVcpu xen = Make();
  EXPECT_EQ(guest_.domain->ReadRunstate(0).state, RUNSTATE_offline);
  EXPECT_EQ(xen.OnExit(vcpu_, InterruptedExit{}), Outcome::kNotMine);
  EXPECT_EQ(guest_.domain->ReadRunstate(0).state, RUNSTATE_running);
}

}  // namespace
}  // namespace veneer
