#include "hypercall_fixture.h"

namespace veneer {
namespace {

class Dispatch : public HypercallTest {
 protected:
  std::uint64_t Count(const std::string& name) { return guest_.metrics.Get(name).value(); }
  int received_ = 0;
};
VENEER_BOTH_WIDTHS(Dispatch);

// 32-bit code has no upper half of a register to be looked at.
class WideDispatch : public Dispatch {};
INSTANTIATE_TEST_SUITE_P(Widths, WideDispatch, ::testing::Values(GuestWidth::k64), WidthName);

TEST_P(Dispatch, UnknownNumbersAreCountedAndRefused) {
  std::uint64_t expected = 0;
  for (const std::uint64_t number :
       {0ULL, 1ULL, 11ULL, 14ULL, 16ULL, 23ULL, 35ULL, 36ULL, 41ULL, 42ULL, 48ULL, 55ULL, 56ULL,
        127ULL, 128ULL, 0x80000000ULL, 0xffffffffULL}) {
    EXPECT_EQ(guest_.Call(number, {0, 0, 0}), -XEN_ENOSYS) << number;
    EXPECT_EQ(Count("hypercall.unknown"), ++expected);
  }
}

TEST_P(WideDispatch, TheWholeOfANumberCounts) {
  const std::uint64_t version = 1ULL << 32 | __HYPERVISOR_xen_version;
  EXPECT_EQ(guest_.Call(version, {XENVER_version, 0}), -XEN_ENOSYS);
  EXPECT_EQ(guest_.Call(~0ULL, {XENVER_version, 0}), -XEN_ENOSYS);
}

TEST_P(Dispatch, UnknownOperationsAreRefused) {
  const std::uint64_t numbers[] = {
      __HYPERVISOR_xen_version, __HYPERVISOR_memory_op,        __HYPERVISOR_console_io,
      __HYPERVISOR_sched_op,    __HYPERVISOR_event_channel_op, __HYPERVISOR_hvm_op,
      __HYPERVISOR_physdev_op,  __HYPERVISOR_grant_table_op,   __HYPERVISOR_vcpu_op};
  for (const std::uint64_t number : numbers) {
    for (const std::uint64_t operation : {0x3eULL, 0x3fULL, 0x7fffffffULL, 0xffffffffULL}) {
      EXPECT_EQ(guest_.Call(number, {operation, kBad, kBad}), -XEN_ENOSYS)
          << number << " " << operation;
    }
  }
}

TEST_P(WideDispatch, XenIgnoresTheUpperHalfOfMostOperationsButNotOfHvmOp) {
  EXPECT_EQ(guest_.Call(__HYPERVISOR_xen_version, {1ULL << 32 | XENVER_version, 0}), 0x40011);
  EXPECT_EQ(guest_.Call(__HYPERVISOR_hvm_op, {1ULL << 32 | HVMOP_flush_tlbs, 0}), -XEN_ENOSYS);
}

TEST_P(Dispatch, OnlyTheKernelMayCall) {
  for (std::uint8_t cpl = 1; cpl <= 3; ++cpl) {
    HypercallFrame frame = guest_.Frame(__HYPERVISOR_xen_version, {XENVER_version, 0});
    frame.cpl = cpl;
    EXPECT_EQ(guest_.hypercalls->Dispatch(0, frame, *guest_.virtual_memory).value, -XEN_EPERM);
  }
  EXPECT_EQ(Count("hypercall.refused_by_privilege"), 3U);
  EXPECT_EQ(Count("hypercall.xen_version.version"), 0U);
}

TEST_P(Dispatch, CallsAreCountedByName) {
  guest_.Call(__HYPERVISOR_xen_version, {XENVER_version, 0});
  guest_.Call(__HYPERVISOR_xen_version, {XENVER_version, 0});
  EXPECT_EQ(Count("hypercall.xen_version.version"), 2U);
}

TEST_P(Dispatch, SendWithoutAnIoeventfdIsCarriedOut) {
  EXPECT_EQ(guest_.hypercalls->Send(77).value, -XEN_EINVAL);
  const EvtchnPort host = *guest_.domain->events().AllocHostUnbound([this] { ++received_; });
  const EvtchnPort port = *guest_.domain->events().BindInterdomain(0, host);
  EXPECT_EQ(guest_.hypercalls->Send(port.value).value, 0);
  EXPECT_EQ(received_, 1);
  EXPECT_EQ(Count("hypercall.sends_without_ioeventfd"), 2U);
}

}  // namespace
}  // namespace veneer
