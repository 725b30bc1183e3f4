// Every binding operation of the guest with its exact errnos.
#include <gtest/gtest.h>

#include "support/event_guest.h"

namespace veneer {
namespace {

using testing::EventGuest;

class Bindings : public ::testing::Test {
 protected:
  EventGuest guest_{EventChannels::Options{.vcpus = EventGuest::kVcpus}};
  EventChannels& channels_ = *guest_.channels;

  std::uint32_t StatusOf(EvtchnPort port) { return channels_.Status(DOMID_SELF, port)->status; }
};

template <typename T>
void ExpectError(const XenResult<T>& result, XenErrno error) {
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(XenErrnoName(result.error()), XenErrnoName(error));
}

TEST_F(Bindings, PortsAreGivenOutFromOneUpwardsAndReused) {
  EXPECT_EQ(channels_.BindIpi(0)->value, 1U);
  EXPECT_EQ(channels_.BindIpi(1)->value, 2U);
  EXPECT_EQ(channels_.BindIpi(1)->value, 3U);
  ASSERT_TRUE(channels_.Close(EvtchnPort{2}));
  ASSERT_TRUE(channels_.Close(EvtchnPort{1}));
  EXPECT_EQ(channels_.BindIpi(0)->value, 1U);
  EXPECT_EQ(channels_.BindIpi(0)->value, 2U);
  EXPECT_EQ(channels_.BindIpi(0)->value, 4U);
}

TEST_F(Bindings, AllocUnboundWorksOnOnesOwnDomainOnly) {
  const auto port = channels_.AllocUnbound(DOMID_SELF, DOMID_SELF);
  ASSERT_TRUE(port);
  const auto status = channels_.Status(kGuestDomId.value, *port);
  EXPECT_EQ(status->status, std::uint32_t{EVTCHNSTAT_unbound});
  EXPECT_EQ(status->remote_dom, kGuestDomId.value);
  EXPECT_TRUE(channels_.AllocUnbound(kGuestDomId.value, 77));
  ExpectError(channels_.AllocUnbound(kHostDomId.value, 0), XEN_EPERM);
  ExpectError(channels_.AllocUnbound(7, 0), XEN_ESRCH);
  ExpectError(channels_.AllocUnbound(0xffff, 0), XEN_ESRCH);
}

TEST_F(Bindings, BindInterdomainNeedsAPortThatWaitsForTheGuest) {
  ExpectError(channels_.BindInterdomain(5, EvtchnPort{1}), XEN_ESRCH);
  ExpectError(channels_.BindInterdomain(0, EvtchnPort{1}), XEN_EINVAL);
  ExpectError(channels_.BindInterdomain(0, EvtchnPort{0}), XEN_EINVAL);
  ExpectError(channels_.BindInterdomain(0, EvtchnPort{0xffffffff}), XEN_EINVAL);
  const EvtchnPort host = *channels_.AllocHostUnbound([] {});
  const auto local = channels_.BindInterdomain(0, host);
  ASSERT_TRUE(local);
  // Failed attempts have cost no port.
  EXPECT_EQ(local->value, 1U);
  ExpectError(channels_.BindInterdomain(0, host), XEN_EINVAL);
  const auto status = channels_.Status(DOMID_SELF, *local);
  EXPECT_EQ(status->status, std::uint32_t{EVTCHNSTAT_interdomain});
  EXPECT_EQ(status->remote_dom, 0U);
  EXPECT_EQ(status->remote_port, host.value);
}

TEST_F(Bindings, LoopbackConnectsTwoPortsOfTheGuest) {
  const EvtchnPort first = *channels_.AllocUnbound(DOMID_SELF, DOMID_SELF);
  ExpectError(channels_.BindInterdomain(DOMID_SELF, EvtchnPort{first.value + 1}), XEN_EINVAL);
  const EvtchnPort second = *channels_.BindInterdomain(DOMID_SELF, first);
  // What was sent before the connection may be lost, so the binder's own port is pending.
  EXPECT_TRUE(guest_.Pending(second));
  EXPECT_FALSE(guest_.Pending(first));
  ASSERT_TRUE(channels_.Send(second));
  EXPECT_TRUE(guest_.Pending(first));
  ASSERT_TRUE(channels_.Close(second));
  EXPECT_EQ(StatusOf(first), std::uint32_t{EVTCHNSTAT_unbound});
  EXPECT_EQ(StatusOf(second), std::uint32_t{EVTCHNSTAT_closed});
}

TEST_F(Bindings, APortWaitingForDomainZeroIsNotForTheGuestItself) {
  const EvtchnPort port = *channels_.AllocUnbound(DOMID_SELF, 0);
  ExpectError(channels_.BindInterdomain(DOMID_SELF, port), XEN_EINVAL);
  EXPECT_TRUE(channels_.BindHost(port, [] {}));
}

TEST_F(Bindings, PerVcpuVirqsBindOnceForEachVcpu) {
  const EvtchnPort timer = *channels_.BindVirq(VIRQ_TIMER, 1);
  ExpectError(channels_.BindVirq(VIRQ_TIMER, 1), XEN_EEXIST);
  EXPECT_TRUE(channels_.BindVirq(VIRQ_TIMER, 0));
  EXPECT_TRUE(channels_.BindVirq(VIRQ_DEBUG, 1));
  const auto status = channels_.Status(DOMID_SELF, timer);
  EXPECT_EQ(status->status, std::uint32_t{EVTCHNSTAT_virq});
  EXPECT_EQ(status->virq, std::uint32_t{VIRQ_TIMER});
  EXPECT_EQ(status->vcpu, 1U);
  ExpectError(channels_.BindVirq(VIRQ_TIMER, EventGuest::kVcpus), XEN_ENOENT);
  ExpectError(channels_.BindVirq(VIRQ_TIMER, 0xffffffff), XEN_ENOENT);
  ASSERT_TRUE(channels_.Close(timer));
  EXPECT_TRUE(channels_.BindVirq(VIRQ_TIMER, 1));
}

TEST_F(Bindings, GlobalVirqsBindOnVcpuZeroOnly) {
  ExpectError(channels_.BindVirq(VIRQ_ARGO, 1), XEN_EINVAL);
  const EvtchnPort port = *channels_.BindVirq(VIRQ_ARGO, 0);
  ExpectError(channels_.BindVirq(VIRQ_ARGO, 0), XEN_EEXIST);
  ExpectError(channels_.BindVirq(NR_VIRQS, 0), XEN_EINVAL);
  ExpectError(channels_.BindVirq(0xffffffff, 0), XEN_EINVAL);
  // They may move, and closing finds them where they were bound.
  ASSERT_TRUE(channels_.BindVcpu(port, 1));
  ASSERT_TRUE(channels_.Close(port));
  EXPECT_TRUE(channels_.BindVirq(VIRQ_ARGO, 0));
}

TEST_F(Bindings, IpisNeedAVcpu) {
  ExpectError(channels_.BindIpi(EventGuest::kVcpus), XEN_ENOENT);
  ExpectError(channels_.BindIpi(0xffffffff), XEN_ENOENT);
  const EvtchnPort port = *channels_.BindIpi(1);
  EXPECT_EQ(StatusOf(port), std::uint32_t{EVTCHNSTAT_ipi});
  EXPECT_EQ(channels_.Status(DOMID_SELF, port)->vcpu, 1U);
}

TEST_F(Bindings, PhysicalInterruptsAreNotOffered) {
  ExpectError(channels_.BindPirq(0, 0), XEN_EINVAL);
  ExpectError(channels_.BindPirq(0xffffffff, BIND_PIRQ__WILL_SHARE), XEN_EINVAL);
}

TEST_F(Bindings, ClosedAndReservedPortsRefuseEverything) {
  const EvtchnPort port = *channels_.BindIpi(0);
  ASSERT_TRUE(channels_.Close(port));
  for (const EvtchnPort bad : {port, EvtchnPort{0}, EvtchnPort{4096}, EvtchnPort{0xffffffff}}) {
    ExpectError(channels_.Close(bad), XEN_EINVAL);
    ExpectError(channels_.Send(bad), XEN_EINVAL);
    ExpectError(channels_.BindVcpu(bad, 0), XEN_EINVAL);
    EXPECT_FALSE(channels_.IsPending(bad));
  }
  ExpectError(channels_.Unmask(EvtchnPort{4096}), XEN_EINVAL);
  ExpectError(channels_.Unmask(EvtchnPort{0}), XEN_EINVAL);
  // As in Xen, unmasking a port that could be in use but is not does nothing.
  EXPECT_TRUE(channels_.Unmask(port));
}

TEST_F(Bindings, StatusLooksAtOnesOwnPortsOnly) {
  EXPECT_EQ(StatusOf(EvtchnPort{0}), std::uint32_t{EVTCHNSTAT_closed});
  EXPECT_EQ(StatusOf(EvtchnPort{63}), std::uint32_t{EVTCHNSTAT_closed});
  ExpectError(channels_.Status(DOMID_SELF, EvtchnPort{64}), XEN_EINVAL);
  ExpectError(channels_.Status(DOMID_SELF, EvtchnPort{0xffffffff}), XEN_EINVAL);
  ExpectError(channels_.Status(0, EvtchnPort{1}), XEN_EPERM);
  ExpectError(channels_.Status(9, EvtchnPort{1}), XEN_ESRCH);
}

TEST_F(Bindings, SendWorksByKindOfPort) {
  const EvtchnPort unbound = *channels_.AllocUnbound(DOMID_SELF, 0);
  EXPECT_TRUE(channels_.Send(unbound));  // dropped
  EXPECT_FALSE(guest_.Pending(unbound));
  const EvtchnPort ipi = *channels_.BindIpi(1);
  EXPECT_TRUE(channels_.Send(ipi));
  EXPECT_TRUE(guest_.Pending(ipi));
  const EvtchnPort virq = *channels_.BindVirq(VIRQ_TIMER, 0);
  ExpectError(channels_.Send(virq), XEN_EINVAL);
}

TEST_F(Bindings, BindVcpuMovesWhatMayMove) {
  const EvtchnPort unbound = *channels_.AllocUnbound(DOMID_SELF, 0);
  EXPECT_TRUE(channels_.BindVcpu(unbound, 1));
  EXPECT_EQ(channels_.Status(DOMID_SELF, unbound)->vcpu, 1U);
  ExpectError(channels_.BindVcpu(unbound, EventGuest::kVcpus), XEN_ENOENT);
  ExpectError(channels_.BindVcpu(*channels_.BindIpi(0), 1), XEN_EINVAL);
  ExpectError(channels_.BindVcpu(*channels_.BindVirq(VIRQ_TIMER, 0), 1), XEN_EINVAL);
  // A port given out again starts on vCPU 0.
  ASSERT_TRUE(channels_.Close(unbound));
  EXPECT_EQ(channels_.Status(DOMID_SELF, *channels_.AllocUnbound(DOMID_SELF, 0))->vcpu, 0U);
}

TEST_F(Bindings, AClosedPortLeavesNoEventToItsNextOwner) {
  const EvtchnPort ipi = *channels_.BindIpi(0);
  ASSERT_TRUE(channels_.Send(ipi));
  ASSERT_TRUE(channels_.Close(ipi));
  EXPECT_FALSE(guest_.Pending(ipi));
}

TEST_F(Bindings, ResetClosesEverythingAndLeavesDomainZeroWaiting) {
  const EvtchnPort host = *channels_.AllocHostUnbound([] {});
  ASSERT_TRUE(channels_.BindInterdomain(0, host));
  ASSERT_TRUE(channels_.BindVirq(VIRQ_TIMER, 1));
  ASSERT_TRUE(channels_.BindIpi(0));
  ExpectError(channels_.Reset(0), XEN_EPERM);
  ExpectError(channels_.Reset(3), XEN_ESRCH);
  ASSERT_TRUE(channels_.Reset(DOMID_SELF));
  for (std::uint32_t port = 1; port < 8; ++port) {
    EXPECT_EQ(StatusOf(EvtchnPort{port}), std::uint32_t{EVTCHNSTAT_closed});
  }
  EXPECT_TRUE(channels_.BindVirq(VIRQ_TIMER, 1));
  EXPECT_TRUE(channels_.BindInterdomain(0, host));
}

TEST(BindingLimits, TheGuestRunsOutAtTheConfiguredPort) {
  EventGuest guest(EventChannels::Options{.vcpus = 1, .max_port = 100});
  for (std::uint32_t port = 1; port <= 100; ++port) {
    ASSERT_EQ(guest.channels->BindIpi(0)->value, port);
  }
  ExpectError(guest.channels->BindIpi(0), XEN_ENOSPC);
  ExpectError(guest.channels->BindVirq(VIRQ_TIMER, 0), XEN_ENOSPC);
  ExpectError(guest.channels->AllocUnbound(DOMID_SELF, 0), XEN_ENOSPC);
  ExpectError(guest.channels->AllocGuestUnbound(), XEN_ENOSPC);
  const EvtchnPort host = *guest.channels->AllocHostUnbound([] {});
  ExpectError(guest.channels->BindInterdomain(0, host), XEN_ENOSPC);
  ASSERT_TRUE(guest.channels->Close(EvtchnPort{50}));
  EXPECT_EQ(guest.channels->BindVirq(VIRQ_TIMER, 0)->value, 50U);
}

TEST(BindingLimits, TheAbiLimitsPortsByWidth) {
  EventGuest guest(EventChannels::Options{.vcpus = 1, .max_port = 100000});
  guest.channels->SetGuestWidth(GuestWidth::k32);
  std::uint32_t ports = 0;
  while (guest.channels->BindIpi(0)) {
    ++ports;
  }
  EXPECT_EQ(ports, 1023U);
  guest.channels->SetGuestWidth(GuestWidth::k64);
  while (guest.channels->BindIpi(0)) {
    ++ports;
  }
  EXPECT_EQ(ports, 4095U);
  // Back to 32 bits, ports beyond its bitmaps can do no harm.
  guest.channels->SetGuestWidth(GuestWidth::k32);
  EXPECT_TRUE(guest.channels->Send(EvtchnPort{4000}));
  EXPECT_TRUE(guest.channels->Unmask(EvtchnPort{4000}));
  EXPECT_FALSE(guest.channels->IsPending(EvtchnPort{4000}));
  EXPECT_TRUE(guest.channels->Close(EvtchnPort{4000}));
}

TEST(BindingLimits, DomainZeroRunsOutWithAnErrorToo) {
  EventGuest guest(EventChannels::Options{});
  std::uint32_t ports = 0;
  while (guest.channels->AllocHostUnbound([] {})) {
    ++ports;
  }
  EXPECT_EQ(ports, EventChannels::kMaxHostPorts - 1);
  const EvtchnPort waiting = *guest.channels->AllocGuestUnbound();
  ExpectError(guest.channels->BindHost(waiting, [] {}), XEN_ENOSPC);
}

TEST(BindingLimits, CreateRefusesSenselessOptions) {
  EventGuest guest(EventChannels::Options{});
  const auto create = [&guest](const EventChannels::Options& options, std::size_t bytes) {
    return EventChannels::Create(*guest.memory, guest.shared_info.bytes().first(bytes), guest.sink,
                                 guest.metrics, options)
        .has_value();
  };
  EXPECT_TRUE(create({.vcpus = 1}, kPageSize));
  EXPECT_FALSE(create({.vcpus = 0}, kPageSize));
  EXPECT_FALSE(create({.vcpus = EventChannels::kMaxVcpus + 1}, kPageSize));
  EXPECT_FALSE(create({.max_port = 0}, kPageSize));
  EXPECT_FALSE(create({.max_port = EVTCHN_FIFO_NR_CHANNELS}, kPageSize));
  EXPECT_FALSE(create({}, kPageSize - 1));
}

}  // namespace
}  // namespace veneer
