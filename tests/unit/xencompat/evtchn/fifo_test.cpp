// Delivery by the FIFO ABI: queues, priorities, late pages, and guests that break the protocol.
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/event_guest.h"

namespace veneer {
namespace {

using ::testing::ElementsAre;
using testing::EventGuest;
using ::testing::IsEmpty;

class FifoDelivery : public ::testing::Test {
 protected:
  EventGuest guest_{EventChannels::Options{.vcpus = EventGuest::kVcpus, .max_port = 3000}};
  EventChannels& channels_ = *guest_.channels;
};

TEST_F(FifoDelivery, InitControlChecksVcpuOffsetAndFrame) {
  const auto error = [this](std::uint32_t vcpu, std::uint64_t frame, std::uint32_t offset) {
    return channels_.InitControl(vcpu, Gfn{frame}, offset).error();
  };
  EXPECT_EQ(channels_.ExpandArray(Gfn{64}).error(), XEN_EOPNOTSUPP);
  EXPECT_EQ(error(EventGuest::kVcpus, 16, 0), XEN_ENOENT);
  EXPECT_EQ(error(0xffffffff, 16, 0), XEN_ENOENT);
  EXPECT_EQ(error(0, 16, kPageSize - sizeof(evtchn_fifo_control_block_t) + 1), XEN_EINVAL);
  EXPECT_EQ(error(0, 16, 0xffffffff), XEN_EINVAL);
  EXPECT_EQ(error(0, 16, 4), XEN_EINVAL);
  EXPECT_EQ(error(0, EventGuest::kMemory / kPageSize, 0), XEN_EINVAL);
  EXPECT_EQ(error(0, ~std::uint64_t{0}, 0), XEN_EINVAL);
  // None of these has switched the ABI.
  EXPECT_EQ(channels_.ExpandArray(Gfn{64}).error(), XEN_EOPNOTSUPP);

  const auto link_bits = channels_.InitControl(0, Gfn{16}, 4016);
  ASSERT_TRUE(link_bits);
  EXPECT_EQ(*link_bits, EVTCHN_FIFO_LINK_BITS);
  EXPECT_EQ(error(0, 17, 0), XEN_EINVAL);  // has one
  EXPECT_TRUE(channels_.InitControl(1, Gfn{17}, 0));
  EXPECT_EQ(channels_.ExpandArray(Gfn{EventGuest::kMemory / kPageSize}).error(), XEN_EINVAL);
  EXPECT_EQ(channels_.ExpandArray(Gfn{~std::uint64_t{0}}).error(), XEN_EINVAL);
  EXPECT_TRUE(channels_.ExpandArray(Gfn{64}));
}

TEST_F(FifoDelivery, TheArrayGrowsToTheWholeNumberSpaceAndNoFurther) {
  ASSERT_TRUE(guest_.UseFifo(1, 0));
  for (int page = 0; page < 128; ++page) {
    ASSERT_TRUE(channels_.ExpandArray(Gfn{64}));
  }
  EXPECT_EQ(channels_.ExpandArray(Gfn{64}).error(), XEN_ENOSPC);
}

TEST_F(FifoDelivery, EventsArriveInOrderAndRaiseOnce) {
  ASSERT_TRUE(guest_.UseFifo(EventGuest::kVcpus, 1));
  const EvtchnPort a = *channels_.BindIpi(1);
  const EvtchnPort b = *channels_.BindIpi(1);
  const EvtchnPort c = *channels_.BindIpi(1);
  for (const EvtchnPort port : {b, a, c, b}) {
    ASSERT_TRUE(channels_.Send(port));
  }
  EXPECT_THAT(guest_.sink.Take(), ElementsAre(1));
  EXPECT_THAT(guest_.HandleFifo(1), ElementsAre(b.value, a.value, c.value));
  EXPECT_THAT(guest_.HandleFifo(1), IsEmpty());
  ASSERT_TRUE(channels_.Send(c));
  EXPECT_THAT(guest_.sink.Take(), ElementsAre(1));
  EXPECT_THAT(guest_.HandleFifo(1), ElementsAre(c.value));
}

TEST_F(FifoDelivery, HigherPrioritiesComeFirst) {
  ASSERT_TRUE(guest_.UseFifo(EventGuest::kVcpus, 1));
  const EvtchnPort low = *channels_.BindIpi(0);
  const EvtchnPort normal = *channels_.BindIpi(0);
  const EvtchnPort high = *channels_.BindIpi(0);
  EXPECT_EQ(channels_.SetPriority(low, EVTCHN_FIFO_PRIORITY_MIN + 1).error(), XEN_EINVAL);
  EXPECT_EQ(channels_.SetPriority(EvtchnPort{60}, 0).error(), XEN_EACCES);
  EXPECT_EQ(channels_.SetPriority(EvtchnPort{2000}, 0).error(), XEN_EINVAL);
  ASSERT_TRUE(channels_.SetPriority(low, EVTCHN_FIFO_PRIORITY_MIN));
  ASSERT_TRUE(channels_.SetPriority(high, EVTCHN_FIFO_PRIORITY_MAX));
  for (const EvtchnPort port : {low, normal, high}) {
    ASSERT_TRUE(channels_.Send(port));
  }
  EXPECT_THAT(guest_.HandleFifo(0), ElementsAre(high.value, normal.value, low.value));
}

TEST_F(FifoDelivery, AMaskedEventIsLinkedWhenUnmasked) {
  ASSERT_TRUE(guest_.UseFifo(EventGuest::kVcpus, 1));
  const EvtchnPort port = *channels_.BindIpi(0);
  guest_.EventWord(port.value).fetch_or(EventGuest::kMaskedBit);
  ASSERT_TRUE(channels_.Send(port));
  EXPECT_EQ(guest_.EventWord(port.value).load(), EventGuest::kMaskedBit | EventGuest::kPendingBit);
  EXPECT_THAT(guest_.sink.Take(), IsEmpty());
  EXPECT_TRUE(channels_.IsPending(port));
  ASSERT_TRUE(channels_.Unmask(port));
  EXPECT_THAT(guest_.sink.Take(), ElementsAre(0));
  EXPECT_THAT(guest_.HandleFifo(0), ElementsAre(port.value));
  ASSERT_TRUE(channels_.Unmask(port));
  EXPECT_THAT(guest_.HandleFifo(0), IsEmpty());
}

TEST_F(FifoDelivery, APortThatMovesToAnotherVcpuLeavesItsOldQueueUsable) {
  ASSERT_TRUE(guest_.UseFifo(EventGuest::kVcpus, 1));
  const EvtchnPort moving = *channels_.AllocUnbound(DOMID_SELF, DOMID_SELF);
  const EvtchnPort sender = *channels_.BindInterdomain(DOMID_SELF, moving);
  guest_.HandleFifo(0);
  ASSERT_TRUE(channels_.Send(sender));
  EXPECT_THAT(guest_.HandleFifo(0), ElementsAre(moving.value));
  ASSERT_TRUE(channels_.BindVcpu(moving, 1));
  ASSERT_TRUE(channels_.Send(sender));
  EXPECT_THAT(guest_.HandleFifo(1), ElementsAre(moving.value));
  // The old queue must not append to `moving`, which is elsewhere now and linked again.
  ASSERT_TRUE(channels_.Send(sender));
  const EvtchnPort other = *channels_.BindIpi(0);
  ASSERT_TRUE(channels_.Send(other));
  EXPECT_THAT(guest_.HandleFifo(0), ElementsAre(other.value));
  EXPECT_THAT(guest_.HandleFifo(1), ElementsAre(moving.value));
}

TEST_F(FifoDelivery, EventsBeforeTheirArrayPageAreKept) {
  ASSERT_TRUE(guest_.UseFifo(EventGuest::kVcpus, 1));
  EvtchnPort port{};
  while (port.value < 1500) {
    port = *channels_.BindIpi(1);
  }
  ASSERT_TRUE(channels_.Send(port));
  EXPECT_THAT(guest_.sink.Take(), IsEmpty());
  EXPECT_FALSE(channels_.IsPending(port));
  ASSERT_TRUE(channels_.ExpandArray(Gfn{EventGuest::kArrayFrame + 1}));
  EXPECT_THAT(guest_.sink.Take(), ElementsAre(1));
  EXPECT_THAT(guest_.HandleFifo(1), ElementsAre(1500));
}

TEST_F(FifoDelivery, EventsPendingBeforeTheSwitchAreDeliveredAfterIt) {
  const EvtchnPort port = *channels_.BindIpi(1);
  ASSERT_TRUE(channels_.Send(port));
  guest_.sink.Take();
  SharedWord<std::uint8_t>(channels_.VcpuInfo(1).data()).store(0);
  ASSERT_TRUE(guest_.UseFifo(EventGuest::kVcpus, 1));
  EXPECT_THAT(guest_.sink.Take(), ElementsAre(1));
  EXPECT_THAT(guest_.HandleFifo(1), ElementsAre(port.value));
}

TEST_F(FifoDelivery, AnEventForAVcpuWithoutControlBlockIsDropped) {
  ASSERT_TRUE(guest_.UseFifo(1, 1));
  const EvtchnPort port = *channels_.BindIpi(1);
  EXPECT_TRUE(channels_.Send(port));
  EXPECT_THAT(guest_.sink.Take(), IsEmpty());
  EXPECT_EQ(guest_.metrics.Get("xen.evtchn.fifo_lost").value(), 1U);
  ASSERT_TRUE(channels_.InitControl(1, Gfn{EventGuest::kControlFrame + 1}, 0));
  EXPECT_TRUE(channels_.Send(port));
  EXPECT_THAT(guest_.HandleFifo(1), ElementsAre(port.value));
}

TEST_F(FifoDelivery, AClosedPortStillLinkedIsNotGivenOutAgain) {
  ASSERT_TRUE(guest_.UseFifo(EventGuest::kVcpus, 1));
  const EvtchnPort port = *channels_.BindIpi(0);
  ASSERT_TRUE(channels_.Send(port));
  ASSERT_TRUE(channels_.Close(port));
  EXPECT_EQ(channels_.BindIpi(0)->value, port.value + 1);
  EXPECT_THAT(guest_.HandleFifo(0), IsEmpty());  // unlinks it; no longer pending
  EXPECT_EQ(channels_.BindIpi(0)->value, port.value);
}

TEST_F(FifoDelivery, ResetGoesBackToTwoLevels) {
  ASSERT_TRUE(guest_.UseFifo(EventGuest::kVcpus, 1));
  ASSERT_TRUE(channels_.Send(*channels_.BindIpi(0)));
  guest_.HandleFifo(0);
  guest_.sink.Take();
  ASSERT_TRUE(channels_.Reset(DOMID_SELF));
  const EvtchnPort port = *channels_.BindIpi(0);
  EXPECT_EQ(channels_.SetPriority(port, 0).error(), XEN_ENOSYS);
  ASSERT_TRUE(channels_.Send(port));
  EXPECT_TRUE(guest_.Pending(port));
  EXPECT_THAT(guest_.sink.Take(), ElementsAre(0));
  EXPECT_TRUE(guest_.UseFifo(EventGuest::kVcpus, 1));
}

TEST_F(FifoDelivery, PagesMayOverlapEachOtherAndHoldAnything) {
  // All of the guest's FIFO structures in one page, full of ones: every port linked and busy.
  ASSERT_TRUE(guest_.memory->Fill(Gpa{64 * kPageSize}, kPageSize, std::byte{0xff}));
  ASSERT_TRUE(channels_.InitControl(0, Gfn{64}, 0));
  ASSERT_TRUE(channels_.InitControl(1, Gfn{64}, 8));
  ASSERT_TRUE(channels_.ExpandArray(Gfn{64}));
  ASSERT_TRUE(channels_.ExpandArray(Gfn{64}));
  EXPECT_EQ(channels_.BindIpi(0)->value, 2048U);  // all in the array look linked
  ASSERT_TRUE(guest_.memory->Fill(Gpa{64 * kPageSize}, kPageSize, std::byte{0}));
  const EvtchnPort a = *channels_.BindIpi(0);
  const EvtchnPort b = *channels_.BindIpi(1);
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(channels_.Send(a));
    EXPECT_TRUE(channels_.Send(b));
    EXPECT_TRUE(channels_.Unmask(a));
  }
}

TEST_F(FifoDelivery, RewrittenLinksNeverHangOrLeaveTheArray) {
  ASSERT_TRUE(guest_.UseFifo(EventGuest::kVcpus, 1));
  std::vector<EvtchnPort> ports;
  for (int i = 0; i < 20; ++i) {
    ports.push_back(*channels_.BindIpi(static_cast<std::uint32_t>(i) % EventGuest::kVcpus));
  }
  std::mt19937 random(1);
  for (int step = 0; step < 20000; ++step) {
    const EvtchnPort port = ports[random() % ports.size()];
    switch (random() % 6) {
      case 0:
        // Loops, links beyond the array, flags as they please.
        guest_.EventWord(port.value).store(static_cast<std::uint32_t>(random()));
        break;
      case 1:
        SharedWord<std::uint32_t>(guest_.Control(random() % EventGuest::kVcpus) + random() % 18 * 4)
            .store(static_cast<std::uint32_t>(random()));
        break;
      case 2:
        ASSERT_TRUE(channels_.SetPriority(port, random() % 16));
        break;
      case 3:
        ASSERT_TRUE(channels_.Unmask(port));
        break;
      default:
        ASSERT_TRUE(channels_.Send(port));
    }
  }
  // A guest that comes to its senses gets events again.
  for (std::uint32_t port = 0; port < 1024; ++port) {
    guest_.EventWord(port).store(0);
  }
  for (std::uint32_t vcpu = 0; vcpu < EventGuest::kVcpus; ++vcpu) {
    SharedWord<std::uint32_t>(guest_.Control(vcpu)).store(0);
  }
  SharedWord<std::uint8_t>(channels_.VcpuInfo(0).data()).store(0);
  guest_.sink.Take();
  ASSERT_TRUE(channels_.Send(ports[0]));
  EXPECT_THAT(guest_.sink.Take(), ElementsAre(0));
  EXPECT_THAT(guest_.HandleFifo(0), ElementsAre(ports[0].value));
}

TEST_F(FifoDelivery, AReportTellsWhatIsLinkedAndReady) {
  ASSERT_TRUE(guest_.UseFifo(EventGuest::kVcpus, 1));
  const EvtchnPort sent = *channels_.BindIpi(1);
  const EvtchnPort quiet = *channels_.BindIpi(0);
  ASSERT_TRUE(channels_.Send(sent));
  const std::vector<std::string> report = channels_.Report();
  ASSERT_EQ(report.size(), 5U);
  EXPECT_EQ(report[0], "events: FIFO ABI, 64-bit guest");
  EXPECT_EQ(report[1], "vCPU 0 events: upcall_pending=0 upcall_mask=0 ready=0x0");
  EXPECT_EQ(report[2], "vCPU 1 events: upcall_pending=1 upcall_mask=0 ready=0x80");
  EXPECT_EQ(report[3], "port " + std::to_string(sent.value) + ": IPI, vCPU 1, pending, linked");
  EXPECT_EQ(report[4], "port " + std::to_string(quiet.value) + ": IPI, vCPU 0");
}

}  // namespace
}  // namespace veneer
