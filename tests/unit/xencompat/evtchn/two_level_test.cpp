// Delivery by the 2-level ABI, for 64-bit and 32-bit guests.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/event_guest.h"

namespace veneer {
namespace {

using ::testing::ElementsAre;
using testing::EventGuest;
using ::testing::IsEmpty;

class TwoLevelDelivery : public ::testing::TestWithParam<GuestWidth> {
 protected:
  TwoLevelDelivery() {
    guest_.width = GetParam();
    channels_.SetGuestWidth(GetParam());
  }
  EventGuest guest_{EventChannels::Options{.vcpus = 2}};
  EventChannels& channels_ = *guest_.channels;
};

INSTANTIATE_TEST_SUITE_P(Widths, TwoLevelDelivery,
                         ::testing::Values(GuestWidth::k64, GuestWidth::k32),
                         [](const auto& width) {
                           return width.param == GuestWidth::k64 ? "Bits64" : "Bits32";
                         });

TEST_P(TwoLevelDelivery, AnEventSetsPendingSelectorAndUpcallAndRaisesOnce) {
  const EvtchnPort ipi = *channels_.BindIpi(1);
  ASSERT_TRUE(channels_.Send(ipi));
  EXPECT_TRUE(guest_.Pending(ipi));
  EXPECT_EQ(guest_.Selector(1), 1U);
  EXPECT_EQ(guest_.Selector(0), 0U);
  EXPECT_TRUE(channels_.UpcallPending(1));
  EXPECT_FALSE(channels_.UpcallPending(0));
  EXPECT_THAT(guest_.sink.Take(), ElementsAre(1));
  ASSERT_TRUE(channels_.Send(ipi));
  EXPECT_THAT(guest_.sink.Take(), IsEmpty());
  EXPECT_THAT(guest_.HandleTwoLevel(1), ElementsAre(ipi.value));
  EXPECT_FALSE(channels_.UpcallPending(1));
  ASSERT_TRUE(channels_.Send(ipi));
  EXPECT_THAT(guest_.sink.Take(), ElementsAre(1));
}

TEST_P(TwoLevelDelivery, MaskedEventsStayPendingUntilUnmaskedByHypercall) {
  const EvtchnPort ipi = *channels_.BindIpi(0);
  guest_.SetMasked(ipi, true);
  ASSERT_TRUE(channels_.Send(ipi));
  EXPECT_TRUE(guest_.Pending(ipi));
  EXPECT_TRUE(channels_.IsPending(ipi));
  EXPECT_THAT(guest_.sink.Take(), IsEmpty());
  ASSERT_TRUE(channels_.Unmask(ipi));
  EXPECT_FALSE(guest_.Masked(ipi));
  EXPECT_THAT(guest_.sink.Take(), ElementsAre(0));
  EXPECT_THAT(guest_.HandleTwoLevel(0), ElementsAre(ipi.value));
  // Nothing pending, or not masked: unmasking is no event.
  guest_.SetMasked(ipi, true);
  ASSERT_TRUE(channels_.Unmask(ipi));
  ASSERT_TRUE(channels_.Unmask(ipi));
  EXPECT_THAT(guest_.sink.Take(), IsEmpty());
}

TEST_P(TwoLevelDelivery, AnEdgeWhileMaskedIsNotRepeatedByASecondSend) {
  const EvtchnPort ipi = *channels_.BindIpi(0);
  guest_.SetMasked(ipi, true);
  ASSERT_TRUE(channels_.Send(ipi));
  guest_.SetMasked(ipi, false);  // the guest's own write: it has to look at the bit itself
  ASSERT_TRUE(channels_.Send(ipi));
  EXPECT_THAT(guest_.sink.Take(), IsEmpty());
}

TEST_P(TwoLevelDelivery, HighPortsUseTheirOwnSelectorBit) {
  const std::uint32_t bits = GetParam() == GuestWidth::k64 ? 64 : 32;
  EvtchnPort port{};
  while (port.value < bits * 5 + 3) {
    port = *channels_.BindIpi(0);
  }
  ASSERT_TRUE(channels_.Send(port));
  EXPECT_EQ(guest_.Selector(0), std::uint64_t{1} << 5U);
  EXPECT_THAT(guest_.HandleTwoLevel(0), ElementsAre(port.value));
}

TEST_P(TwoLevelDelivery, TheLastPortOfTheAbiWorks) {
  const std::uint32_t last = GetParam() == GuestWidth::k64 ? 4095 : 1023;
  EvtchnPort port{};
  while (port.value < last) {
    port = *channels_.BindIpi(1);
  }
  ASSERT_TRUE(channels_.Send(port));
  EXPECT_THAT(guest_.HandleTwoLevel(1), ElementsAre(last));
}

TEST_P(TwoLevelDelivery, VirqsGoToTheirVcpuAndGlobalOnesWhereTheyWereMoved) {
  channels_.RaiseVirq(1, VIRQ_TIMER);  // not bound: nothing
  channels_.RaiseVirq(77, VIRQ_TIMER);
  channels_.RaiseVirq(0, 1000);
  EXPECT_THAT(guest_.sink.Take(), IsEmpty());
  const EvtchnPort timer = *channels_.BindVirq(VIRQ_TIMER, 1);
  channels_.RaiseVirq(0, VIRQ_TIMER);
  EXPECT_THAT(guest_.sink.Take(), IsEmpty());
  channels_.RaiseVirq(1, VIRQ_TIMER);
  EXPECT_THAT(guest_.sink.Take(), ElementsAre(1));
  EXPECT_THAT(guest_.HandleTwoLevel(1), ElementsAre(timer.value));
  const EvtchnPort argo = *channels_.BindVirq(VIRQ_ARGO, 0);
  ASSERT_TRUE(channels_.BindVcpu(argo, 1));
  channels_.RaiseVirq(0, VIRQ_ARGO);
  EXPECT_THAT(guest_.sink.Take(), ElementsAre(1));
}

TEST_P(TwoLevelDelivery, GarbageInSharedInfoChangesNothingButTheGuestsOwnEvents) {
  const EvtchnPort ipi = *channels_.BindIpi(0);
  for (std::size_t offset = 0; offset < kPageSize; offset += 4) {
    guest_.Word(offset).store(0xffffffffU);
  }
  EXPECT_TRUE(channels_.Send(ipi));
  EXPECT_TRUE(channels_.Unmask(ipi));
  EXPECT_THAT(guest_.sink.Take(), IsEmpty());
  EXPECT_TRUE(channels_.Close(ipi));
  EXPECT_FALSE(guest_.Pending(ipi));
}

TEST_P(TwoLevelDelivery, InitControlSaysEnosysWhenFifoIsNotOffered) {
  EventGuest plain(EventChannels::Options{.vcpus = 1, .fifo = false});
  EXPECT_EQ(plain.channels->InitControl(0, Gfn{16}, 0).error(), XEN_ENOSYS);
  EXPECT_EQ(plain.channels->ExpandArray(Gfn{64}).error(), XEN_EOPNOTSUPP);
  const EvtchnPort ipi = *plain.channels->BindIpi(0);
  EXPECT_EQ(plain.channels->SetPriority(ipi, 3).error(), XEN_ENOSYS);
  EXPECT_EQ(plain.channels->SetPriority(EvtchnPort{9999}, 3).error(), XEN_EINVAL);
}

TEST_P(TwoLevelDelivery, AReportTellsHowPortsAndUpcallsStand) {
  const EvtchnPort host = *channels_.AllocHostUnbound([] {});
  const EvtchnPort bound = *channels_.BindInterdomain(0, host);
  const EvtchnPort ipi = *channels_.BindIpi(1);
  const EvtchnPort timer = *channels_.BindVirq(VIRQ_TIMER, 0);
  const EvtchnPort unbound = *channels_.AllocUnbound(DOMID_SELF, 0);
  guest_.SetMasked(timer, true);
  ASSERT_TRUE(channels_.Send(ipi));
  channels_.RaiseVirq(0, VIRQ_TIMER);
  const auto port = [](EvtchnPort number, const std::string& rest) {
    return "port " + std::to_string(number.value) + ": " + rest;
  };
  EXPECT_THAT(
      channels_.Report(),
      ElementsAre(GetParam() == GuestWidth::k64 ? "events: 2-level ABI, 64-bit guest"
                                                : "events: 2-level ABI, 32-bit guest",
                  "vCPU 0 events: upcall_pending=1 upcall_mask=0 pending_sel=0x1",
                  "vCPU 1 events: upcall_pending=1 upcall_mask=0 pending_sel=0x1",
                  // Xen marks a port that has just been bound.
                  port(bound, "bound to port " + std::to_string(host.value) +
                                  " of domain 0, vCPU 0, pending"),
                  port(ipi, "IPI, vCPU 1, pending"), port(timer, "VIRQ 0, vCPU 0, pending, masked"),
                  port(unbound, "unbound, for domain 0, vCPU 0")));
}

}  // namespace
}  // namespace veneer
