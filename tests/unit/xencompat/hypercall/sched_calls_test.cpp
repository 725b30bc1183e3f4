#include "hypercall_fixture.h"
#include "support/units.h"

namespace veneer {
namespace {

class SchedCalls : public HypercallTest {
 protected:
  std::int64_t Op(std::uint64_t operation, std::uint64_t address = 0) {
    return guest_.Call(__HYPERVISOR_sched_op, {operation, address});
  }
  std::int64_t Shutdown(std::uint64_t reason) {
    return Op(SCHEDOP_shutdown, guest_.Put(guest_.NewWire().U32(reason)));
  }
  std::int64_t Poll(std::uint64_t ports, std::uint64_t count, std::uint64_t timeout) {
    return Op(SCHEDOP_poll, guest_.Put(guest_.NewWire().Word(ports).U32(count).U64(timeout)));
  }
  std::int64_t Watchdog(std::uint64_t id, std::uint64_t timeout) {
    return Op(SCHEDOP_watchdog, guest_.Put(guest_.NewWire().U32(id).U32(timeout)));
  }
};
VENEER_BOTH_WIDTHS(SchedCalls);

TEST_P(SchedCalls, BadPointersFault) {
  for (const std::uint64_t operation : {SCHEDOP_shutdown, SCHEDOP_poll, SCHEDOP_remote_shutdown,
                                        SCHEDOP_shutdown_code, SCHEDOP_watchdog}) {
    EXPECT_EQ(Op(operation, kBad), -XEN_EFAULT) << operation;
    EXPECT_EQ(Op(operation, 0), -XEN_EFAULT) << operation;
  }
  EXPECT_TRUE(guest_.machine.shutdowns.empty());
}

TEST_P(SchedCalls, YieldReturns) { EXPECT_EQ(Op(SCHEDOP_yield), 0); }

TEST_P(SchedCalls, BlockReturnsAtOnceWhenAnUpcallIsPending) {
  ASSERT_TRUE(guest_.domain->events().Send(*guest_.domain->events().BindIpi(0)));
  EXPECT_EQ(Op(SCHEDOP_block), 0);
}

TEST_P(SchedCalls, ShutdownReasonsReachTheMachine) {
  const std::pair<std::uint64_t, ShutdownReason> cases[] = {
      {SHUTDOWN_poweroff, ShutdownReason::kPoweroff},
      {SHUTDOWN_reboot, ShutdownReason::kReboot},
      {SHUTDOWN_crash, ShutdownReason::kCrash},
      {SHUTDOWN_watchdog, ShutdownReason::kWatchdog},
      {SHUTDOWN_soft_reset, ShutdownReason::kSoftReset},
      {6, ShutdownReason::kCrash},
      {0xff, ShutdownReason::kCrash},
      {0x100 | SHUTDOWN_reboot, ShutdownReason::kReboot},  // Xen looks at eight bits
  };
  for (const auto& [number, reason] : cases) {
    EXPECT_EQ(Shutdown(number), 0);
    EXPECT_EQ(guest_.machine.shutdowns.back(), reason) << number;
  }
}

TEST_P(SchedCalls, SuspendReturnsOneWhenCancelled) {
  EXPECT_EQ(Shutdown(SHUTDOWN_suspend), 1);
  guest_.machine.resumes = true;
  EXPECT_EQ(Shutdown(SHUTDOWN_suspend), 0);
  EXPECT_EQ(guest_.machine.suspends, 2U);
  EXPECT_TRUE(guest_.machine.shutdowns.empty());
}

TEST_P(SchedCalls, TheFirstShutdownCodeIsTheOneReported) {
  const auto set = [&](std::uint64_t reason) {
    return Op(SCHEDOP_shutdown_code, guest_.Put(guest_.NewWire().U32(reason)));
  };
  EXPECT_EQ(set(SHUTDOWN_crash), 0);
  EXPECT_EQ(set(SHUTDOWN_reboot), 0);
  EXPECT_TRUE(guest_.machine.shutdowns.empty());
  EXPECT_EQ(Shutdown(SHUTDOWN_poweroff), 0);
  EXPECT_EQ(guest_.machine.shutdowns, std::vector{ShutdownReason::kCrash});
}

TEST_P(SchedCalls, OtherDomainsAreNotTheGuestsToShutDown) {
  const auto remote = [&](std::uint64_t domid) {
    return Op(SCHEDOP_remote_shutdown, guest_.Put(guest_.NewWire().U16(domid).U32(0)));
  };
  EXPECT_EQ(remote(0), -XEN_EPERM);
  EXPECT_EQ(remote(kGuestDomId.value), -XEN_EPERM);
  EXPECT_EQ(remote(2), -XEN_ESRCH);
  EXPECT_EQ(remote(DOMID_SELF), -XEN_ESRCH) << "Xen takes numbers only";
  EXPECT_TRUE(guest_.machine.shutdowns.empty());
}

TEST_P(SchedCalls, PinningIsRefused) { EXPECT_EQ(Op(SCHEDOP_pin_override, kBad), -XEN_EPERM); }

TEST_P(SchedCalls, PollReturnsWhenAPortIsPending) {
  const EvtchnPort port = *guest_.domain->events().BindIpi(1);
  ASSERT_TRUE(guest_.domain->events().Send(port));
  const std::uint64_t ports = guest_.Put(guest_.NewWire().U32(port.value));
  EXPECT_EQ(Poll(ports, 1, 0), 0);
}

TEST_P(SchedCalls, PollReturnsAfterItsTimeout) {
  const EvtchnPort port = *guest_.domain->events().BindIpi(1);
  const std::uint64_t ports = guest_.Put(guest_.NewWire().U32(port.value));
  guest_.domain->SetRunState(0, RunState::kRunning);
  EXPECT_EQ(Poll(ports, 1, 1), 0) << "in the past";
  EXPECT_EQ(guest_.domain->runstate(0).Read().state, RUNSTATE_running);
}

TEST_P(SchedCalls, PollReturnsForAPendingUpcall) {
  ASSERT_TRUE(guest_.domain->events().Send(*guest_.domain->events().BindIpi(0)));
  const EvtchnPort port = *guest_.domain->events().BindIpi(1);
  const std::uint64_t ports = guest_.Put(guest_.NewWire().U32(port.value));
  EXPECT_EQ(Poll(ports, 1, 0), 0);
}

TEST_P(SchedCalls, PollChecksItsPorts) {
  const std::uint64_t ports = guest_.Put(std::vector(129 * 4, std::byte{0}));
  EXPECT_EQ(Poll(ports, 129, 1), -XEN_EINVAL);
  EXPECT_EQ(Poll(ports, 0xffffffff, 1), -XEN_EINVAL);
  EXPECT_EQ(Poll(kBad, 1, 1), -XEN_EFAULT);
  EXPECT_EQ(Poll(ports, 1, 1), -XEN_EINVAL) << "port 0";
  EXPECT_EQ(Poll(guest_.Put(guest_.NewWire().U32(0xffffffff)), 1, 1), -XEN_EINVAL);
  EXPECT_EQ(Poll(kBad, 0, 1), 0) << "no ports: a sleep";
}

TEST_P(SchedCalls, WatchdogsBite) {
  EXPECT_EQ(Watchdog(0, 10), 1);
  guest_.Advance(9 * kSecond);
  EXPECT_TRUE(guest_.machine.shutdowns.empty());
  guest_.Advance(1 * kSecond);
  EXPECT_EQ(guest_.machine.shutdowns, std::vector{ShutdownReason::kWatchdog});
}

TEST_P(SchedCalls, WatchdogsArePettedAndGivenBack) {
  EXPECT_EQ(Watchdog(0, 10), 1);
  guest_.Advance(9 * kSecond);
  EXPECT_EQ(Watchdog(1, 10), 0);
  guest_.Advance(9 * kSecond);
  EXPECT_EQ(Watchdog(1, 0), 0);
  guest_.Advance(100 * kSecond);
  EXPECT_TRUE(guest_.machine.shutdowns.empty());
  EXPECT_EQ(Watchdog(1, 10), -XEN_EINVAL) << "given back";
}

TEST_P(SchedCalls, WatchdogsAreTwo) {
  EXPECT_EQ(Watchdog(2, 10), -XEN_EINVAL);
  EXPECT_EQ(Watchdog(0, 10), 1);
  EXPECT_EQ(Watchdog(0, 0xffffffff), 2);
  EXPECT_EQ(Watchdog(0, 10), -XEN_ENOSPC);
  EXPECT_EQ(Watchdog(3, 10), -XEN_EINVAL);
  EXPECT_EQ(Watchdog(0xffffffff, 10), -XEN_EINVAL);
}

}  // namespace
}  // namespace veneer
