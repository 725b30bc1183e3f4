#include "hypercall_fixture.h"
#include "support/units.h"

namespace veneer {
namespace {

class SmallCalls : public HypercallTest {};
VENEER_BOTH_WIDTHS(SmallCalls);

class SetTimerOp : public HypercallTest {
 protected:
  SetTimerOp() { port_ = *guest_.domain->events().BindVirq(VIRQ_TIMER, 0); }
  std::int64_t SetTimer(std::uint64_t deadline) {
    return Wide()
               ? guest_.Call(__HYPERVISOR_set_timer_op, {deadline})
               : guest_.Call(__HYPERVISOR_set_timer_op, {deadline & 0xffffffffU, deadline >> 32});
  }
  EvtchnPort port_;
};
VENEER_BOTH_WIDTHS(SetTimerOp);

TEST_P(SetTimerOp, FiresAtItsDeadline) {
  constexpr std::uint64_t kDeadline = (1ULL << 33) + 5;
  EXPECT_EQ(SetTimer(kDeadline), 0);
  guest_.Advance(kDeadline - 1);
  EXPECT_FALSE(guest_.Pending(port_));
  guest_.Advance(1);
  EXPECT_TRUE(guest_.Pending(port_));
}

TEST_P(SetTimerOp, FiresAtOnceForThePast) {
  guest_.Advance(5 * kMs);
  EXPECT_EQ(SetTimer(1), 0);
  EXPECT_TRUE(guest_.Pending(port_));
}

TEST_P(SetTimerOp, ZeroStops) {
  EXPECT_EQ(SetTimer(5 * kMs), 0);
  EXPECT_EQ(SetTimer(0), 0);
  guest_.Advance(50 * kMs);
  EXPECT_FALSE(guest_.Pending(port_));
}

TEST_P(SetTimerOp, AGuestWhoseArithmeticHasWrappedGetsItsEventSoon) {
  for (const std::uint64_t deadline : {~0ULL, 1ULL << 63, 1ULL << 51}) {
    EXPECT_EQ(SetTimer(deadline), 0);
    guest_.Advance(99 * kMs);
    EXPECT_FALSE(guest_.Pending(port_));
    guest_.Advance(1 * kMs);
    EXPECT_TRUE(guest_.Pending(port_));
    ASSERT_TRUE(guest_.domain->events().Close(port_));
    port_ = *guest_.domain->events().BindVirq(VIRQ_TIMER, 0);
    SharedWord<std::uint8_t>(guest_.domain->events().VcpuInfo(0).data()).store(0);
  }
}

TEST_P(SmallCalls, VmAssistKnowsTheRunstateFlagOnly) {
  const auto assist = [&](std::uint64_t command, std::uint64_t type) {
    return guest_.Call(__HYPERVISOR_vm_assist, {command, type});
  };
  EXPECT_EQ(assist(VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag), 0);
  EXPECT_EQ(assist(VMASST_CMD_disable, VMASST_TYPE_runstate_update_flag), 0);
  EXPECT_EQ(assist(2, VMASST_TYPE_runstate_update_flag), -XEN_ENOSYS);
  for (const std::uint64_t type : {0ULL, 1ULL, 4ULL, 6ULL, 32ULL, 64ULL, 0xffffffffULL}) {
    EXPECT_EQ(assist(VMASST_CMD_enable, type), -XEN_EINVAL) << type;
  }
}

TEST_P(SmallCalls, ConsoleWritesAreTakenInSlices) {
  const std::vector<std::byte> text(5000, std::byte{'x'});
  const std::uint64_t buffer = guest_.Put(text);
  EXPECT_EQ(guest_.Call(__HYPERVISOR_console_io, {CONSOLEIO_write, 5000, buffer}), 0);
  EXPECT_EQ(guest_.slices, 5U);
  EXPECT_EQ(guest_.Call(__HYPERVISOR_console_io, {CONSOLEIO_write, 0, kBad}), 0);
  EXPECT_EQ(guest_.Call(__HYPERVISOR_console_io, {CONSOLEIO_write, 1, kBad}), -XEN_EFAULT);
  EXPECT_EQ(guest_.Call(__HYPERVISOR_console_io, {CONSOLEIO_write, 0xffffffff, buffer}),
            -XEN_EFAULT)
      << "runs out of mapped memory before it is done";
}

TEST_P(SmallCalls, ConsoleReadsNothing) {
  EXPECT_EQ(guest_.Call(__HYPERVISOR_console_io, {CONSOLEIO_read, 100, guest_.Allocate(100)}), 0);
  EXPECT_EQ(guest_.Call(__HYPERVISOR_console_io, {CONSOLEIO_read, 0x80000000, kBad}), -XEN_E2BIG);
}

TEST_P(SmallCalls, PhysicalInterruptsAreNotOffered) {
  const std::uint64_t map = guest_.Put(guest_.NewWire().U32(DOMID_SELF).U32(1).U32(2).U32(3));
  EXPECT_EQ(guest_.Call(__HYPERVISOR_physdev_op, {PHYSDEVOP_map_pirq, map}), -XEN_EPERM);
  EXPECT_EQ(guest_.Call(__HYPERVISOR_physdev_op, {PHYSDEVOP_unmap_pirq, map}), -XEN_EPERM);
  EXPECT_EQ(guest_.Call(__HYPERVISOR_physdev_op, {PHYSDEVOP_map_pirq, kBad}), -XEN_EFAULT);
  EXPECT_EQ(guest_.Call(__HYPERVISOR_physdev_op, {PHYSDEVOP_eoi, map}), -XEN_ENOSYS);
  EXPECT_EQ(guest_.Call(__HYPERVISOR_physdev_op, {PHYSDEVOP_get_free_pirq, map}), -XEN_ENOSYS);
}

TEST_P(SmallCalls, ThereIsNoVirtualPmu) {
  for (const std::uint64_t operation : {0ULL, 4ULL, 7ULL, 0xffffffffULL}) {
    EXPECT_EQ(guest_.Call(__HYPERVISOR_xenpmu_op, {operation, kBad}), -XEN_EOPNOTSUPP);
  }
}

}  // namespace
}  // namespace veneer
