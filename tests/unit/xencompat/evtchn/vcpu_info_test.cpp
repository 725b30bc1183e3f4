// Where upcalls are flagged: vcpu_info in shared_info, and after it has moved.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/event_guest.h"

namespace veneer {
namespace {

using ::testing::ElementsAre;
using testing::EventGuest;
using ::testing::IsEmpty;

constexpr Gpa kPlace{0x5040};

TEST(VcpuInfoPlace, LiesInSharedInfoForTheFirst32Vcpus) {
  EventGuest guest(EventChannels::Options{.vcpus = 34});
  EXPECT_EQ(guest.channels->VcpuInfo(0).data(), guest.shared_info.data());
  EXPECT_EQ(guest.channels->VcpuInfo(31).data(), guest.shared_info.data() + 31 * 64);
  EXPECT_EQ(guest.channels->VcpuInfo(31).size(), 64U);
  EXPECT_TRUE(guest.channels->VcpuInfo(32).empty());
  EXPECT_TRUE(guest.channels->VcpuInfo(34).empty());
  EXPECT_FALSE(guest.channels->UpcallPending(32));
  EXPECT_FALSE(guest.channels->UpcallPending(0xffffffff));
}

TEST(VcpuInfoPlace, MovingCopiesMarksEverythingAndRaises) {
  EventGuest guest(EventChannels::Options{.vcpus = 2});
  guest.shared_info.data()[64 + 40] = std::byte{0x5a};  // time of vCPU 1
  ASSERT_TRUE(guest.channels->SetVcpuInfo(1, guest.memory->Pin(kPlace, 64)));
  EXPECT_THAT(guest.sink.Take(), ElementsAre(1));
  const auto info = *guest.memory->Read<vcpu_info_t>(kPlace);
  EXPECT_EQ(info.evtchn_upcall_pending, 1);
  EXPECT_EQ(info.evtchn_pending_sel, ~std::uint64_t{0});
  EXPECT_EQ(guest.memory->Read<std::uint8_t>(kPlace + 40), 0x5a);
  // The old place is no longer used.
  SharedWord<std::uint8_t>(guest.channels->VcpuInfo(1).data()).store(0);
  guest.shared_info.data()[64] = std::byte{0};
  ASSERT_TRUE(guest.channels->Send(*guest.channels->BindIpi(1)));
  EXPECT_EQ(guest.shared_info.data()[64], std::byte{0});
}

TEST(VcpuInfoPlace, A32BitSelectorIsSetWithoutItsNeighbour) {
  EventGuest guest(EventChannels::Options{});
  guest.channels->SetGuestWidth(GuestWidth::k32);
  ASSERT_TRUE(guest.channels->SetVcpuInfo(0, guest.memory->Pin(Gpa{0x5004}, 64)));
  const auto info = *guest.memory->Read<vcpu_info_x86_32_t>(Gpa{0x5004});
  EXPECT_EQ(info.evtchn_pending_sel, ~std::uint32_t{0});
  EXPECT_EQ(info.arch.cr2, 0U);
}

TEST(VcpuInfoPlace, EventsBeforeALateVcpuHasOneAreFoundWhenItRegisters) {
  EventGuest guest(EventChannels::Options{.vcpus = 34});
  const EvtchnPort port = *guest.channels->BindIpi(33);
  ASSERT_TRUE(guest.channels->Send(port));
  EXPECT_THAT(guest.sink.Take(), IsEmpty());
  ASSERT_TRUE(guest.channels->SetVcpuInfo(33, guest.memory->Pin(kPlace, 64)));
  EXPECT_THAT(guest.sink.Take(), ElementsAre(33));
  EXPECT_EQ(guest.memory->Read<vcpu_info_t>(kPlace)->evtchn_upcall_mask, 1);
  EXPECT_THAT(guest.HandleTwoLevel(33), ElementsAre(port.value));
}

TEST(VcpuInfoPlace, ErrorsAreXens) {
  EventGuest guest(EventChannels::Options{.vcpus = 2});
  const auto error = [&guest](std::uint32_t vcpu, Gpa place, std::uint64_t size) {
    const auto result = guest.channels->SetVcpuInfo(vcpu, guest.memory->Pin(place, size));
    return result ? XenErrno{} : result.error();
  };
  EXPECT_EQ(error(2, kPlace, 64), XEN_ENOENT);
  EXPECT_EQ(error(0, Gpa{EventGuest::kMemory}, 64), XEN_EINVAL);
  EXPECT_EQ(error(0, Gpa{0x5004}, 64), XEN_ENXIO);
  EXPECT_EQ(error(0, kPlace, 63), XEN_ENXIO);
  EXPECT_EQ(error(0, kPlace, 64), XenErrno{});
  EXPECT_EQ(error(0, kPlace, 64), XEN_EINVAL);  // once only
}

TEST(VcpuInfoPlace, RaiseIfPendingRepeatsALostUpcallAndOnlyThat) {
  EventGuest guest(EventChannels::Options{.vcpus = 2});
  ASSERT_TRUE(guest.channels->Send(*guest.channels->BindIpi(1)));
  guest.sink.Take();  // the vCPU was not up: the interrupt went nowhere
  guest.channels->RaiseIfPending(0);
  guest.channels->RaiseIfPending(99);
  EXPECT_THAT(guest.sink.Take(), IsEmpty());
  guest.channels->RaiseIfPending(1);
  EXPECT_THAT(guest.sink.Take(), ElementsAre(1));
  guest.HandleTwoLevel(1);
  guest.channels->RaiseIfPending(1);
  EXPECT_THAT(guest.sink.Take(), IsEmpty());
}

TEST(VcpuInfoPlace, ANewGuestFindsNoPortsAndItsPlacesInSharedInfo) {
  EventGuest guest(EventChannels::Options{.vcpus = 2});
  guest.channels->SetGuestWidth(GuestWidth::k32);
  ASSERT_TRUE(guest.channels->SetVcpuInfo(1, guest.memory->Pin(kPlace, 64)));
  ASSERT_TRUE(guest.channels->InitControl(0, Gfn{EventGuest::kControlFrame}, 0));
  ASSERT_TRUE(guest.channels->ExpandArray(Gfn{EventGuest::kArrayFrame}));
  const EvtchnPort first = *guest.channels->BindIpi(0);
  ASSERT_TRUE(guest.channels->BindVirq(VIRQ_TIMER, 1));

  guest.channels->StartOver(0);
  EXPECT_EQ(guest.channels->VcpuInfo(1).data(), guest.shared_info.data() + 64);
  EXPECT_FALSE(guest.channels->Send(first));
  // The same numbers, the same virtual interrupts, the 2-level ABI and 64 bits, as at the start.
  EXPECT_EQ(guest.channels->BindVirq(VIRQ_TIMER, 1).value().value, first.value);
  guest.sink.Take();
  guest.channels->RaiseVirq(1, VIRQ_TIMER);
  EXPECT_TRUE(guest.Pending(first));
  EXPECT_THAT(guest.sink.Take(), ElementsAre(1));
  EXPECT_TRUE(guest.channels->SetVcpuInfo(1, guest.memory->Pin(kPlace, 64)));
}

TEST(VcpuInfoPlace, ANewGuestIsNotifiedOnTheVcpuItBootsOn) {
  EventGuest guest(EventChannels::Options{.vcpus = 3});
  guest.channels->StartOver(2);
  const EvtchnPort port = *guest.channels->AllocGuestUnbound();
  const EvtchnPort host = *guest.channels->BindHost(port, [] {});
  guest.sink.Take();
  ASSERT_TRUE(guest.channels->Notify(host));
  EXPECT_THAT(guest.sink.Take(), ElementsAre(2));
  EXPECT_EQ(guest.channels->Status(DOMID_SELF, port)->vcpu, 2U);
  // Those that say which keep to it, and all are moved as ever.
  EXPECT_EQ(guest.channels->Status(DOMID_SELF, *guest.channels->BindIpi(1))->vcpu, 1U);
  ASSERT_TRUE(guest.channels->BindVcpu(port, 0));
  EXPECT_EQ(guest.channels->Status(DOMID_SELF, port)->vcpu, 0U);
  guest.channels->StartOver(0);
  EXPECT_EQ(guest.channels->Status(DOMID_SELF, *guest.channels->AllocGuestUnbound())->vcpu, 0U);
}

}  // namespace
}  // namespace veneer
