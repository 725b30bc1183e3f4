#include "veneer/xencompat/domain/xen_domain.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/units.h"
#include "support/xen_guest.h"

namespace veneer {
namespace {

using testing::XenGuest;

std::uint32_t WallClockSeconds(XenGuest& guest, Gfn shared_info) {
  const std::size_t offset = guest.domain->width() == GuestWidth::k64
                                 ? offsetof(shared_info_t, wc_sec)
                                 : offsetof(shared_info_x86_32_t, wc_sec);
  return *guest.memory->Read<std::uint32_t>(shared_info.Address() + offset);
}

TEST(XenDomain, TheWallClockSaysWhenTheGuestsClockWasZero) {
  XenGuest guest;
  guest.Advance(10 * kSecond);
  ASSERT_TRUE(guest.domain->MapSharedInfo(0, Gfn{7}));
  EXPECT_EQ(WallClockSeconds(guest, Gfn{7}), 1'700'000'000U);
}

TEST(XenDomain, TheWallClockFollowsTheHostsWhenToldTo) {
  XenGuest guest;
  ASSERT_TRUE(guest.domain->MapSharedInfo(0, Gfn{7}));
  guest.clock.SetRealtime(1'800'000'000 * kSecond);
  EXPECT_EQ(WallClockSeconds(guest, Gfn{7}), 1'700'000'000U);
  guest.domain->UpdateWallClock();
  EXPECT_EQ(WallClockSeconds(guest, Gfn{7}), 1'800'000'000U);
}

TEST(XenDomain, TheWallClockMovesWithTheGuestsWidth) {
  XenGuest guest(GuestWidth::k64);
  ASSERT_TRUE(guest.domain->MapSharedInfo(0, Gfn{7}));
  guest.domain->LatchWidth(GuestWidth::k32);
  EXPECT_EQ(WallClockSeconds(guest, Gfn{7}), 1'700'000'000U);
}

TEST(XenDomain, FailsWithASentenceForOptionsThatCannotBe) {
  FakeClock clock;
  const LinearSystemTime time(clock, clock.MonotonicNs());
  testing::FakeMachine machine;
  testing::RecordingSink sink;
  Metrics metrics;
  auto memory = std::move(*GuestMemory::CreateFlat(16 * kPageSize));
  XenDomainOptions options;
  options.grants.max_frames = 0;
  const auto domain =
      XenDomain::Create(*memory, clock, time, machine, sink, metrics, std::move(options));
  ASSERT_FALSE(domain);
  EXPECT_FALSE(domain.error().message.empty());
}

TEST(XenDomain, TheInitialReservationIsALimit) {
  XenGuest guest(GuestWidth::k64, 1, [](XenDomainOptions& options) { options.most_pages = 100; });
  EXPECT_EQ(guest.domain->physmap().maximum_pages(), 100U);
}

TEST(XenDomain, TimersOfAllVcpusShareOneWakeup) {
  XenGuest guest(GuestWidth::k64, 4);
  ASSERT_TRUE(guest.domain->timers().SetSingleshot(3, 50, false));
  ASSERT_TRUE(guest.domain->timers().SetSingleshot(1, 20, false));
  EXPECT_EQ(guest.wakeup.deadline(), guest.time.HostNs(20));
}

TEST(XenDomain, EventsFromBeforeTheCallbackAreDeliveredWithIt) {
  XenGuest guest;
  ASSERT_TRUE(guest.domain->events().Send(*guest.domain->events().BindIpi(1)));
  guest.sink.Take();
  ASSERT_TRUE(guest.domain->SetParam(HVM_PARAM_CALLBACK_IRQ, 2ULL << 56 | 0xf3, GuestWidth::k64));
  EXPECT_EQ(guest.sink.Take(), std::vector<std::uint32_t>{1});
}

TEST(XenDomainStress, HypercallsTimersAndRegistrationsFromAllVcpus) {
  XenGuest guest(GuestWidth::k64, 3);
  guest.machine.online = {0, 1, 2};
  std::vector<std::thread> threads;
  for (unsigned vcpu = 0; vcpu < 3; ++vcpu) {
    threads.emplace_back([&guest, vcpu] {
      XenDomain& domain = *guest.domain;
      static_cast<void>(domain.RegisterVcpuInfo(vcpu, vcpu, Gfn{20 + vcpu}, 0));
      for (int i = 0; i < 200; ++i) {
        domain.SetRunState(vcpu, i % 2 == 0 ? RunState::kBlocked : RunState::kRunning);
        domain.RefreshVcpu(vcpu);
        domain.LatchWidth(GuestWidth::k64);
        static_cast<void>(domain.MapSharedInfo(0, Gfn{static_cast<std::uint64_t>(i) % 3}));
        static_cast<void>(domain.timers().SetSingleshot(vcpu, 1, false));
        static_cast<void>(domain.shutdown().SetWatchdog(0, 1000));
        static_cast<void>(domain.shutdown().SetWatchdog(1, 0));
        domain.shutdown().SetCode(1);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_TRUE(guest.machine.shutdowns.empty());
}

// Everything that a guest can have set up, and then another one in the same memory.
class SoftReset : public ::testing::TestWithParam<GuestWidth> {
 protected:
  XenGuest guest_{GetParam()};
  XenDomain& domain_ = *guest_.domain;
};

TEST_P(SoftReset, MemoryKeepsItsContentAndLosesThePagesOfOurs) {
  constexpr Gfn kShared{7};
  constexpr Gfn kGrants{9};
  constexpr Gfn kOut{11};
  for (const Gfn frame : {kShared, kGrants}) {
    ASSERT_TRUE(guest_.memory->Write(frame.Address(), std::uint64_t{0x1234}));
  }
  ASSERT_TRUE(domain_.MapSharedInfo(0, kShared));
  ASSERT_TRUE(domain_.physmap().MapGrantFrame(0, kGrants));
  ASSERT_TRUE(domain_.physmap().Release(kOut));
  EXPECT_EQ(domain_.physmap().populated_pages(), XenGuest::kRamPages - 1);

  domain_.StartOver(0);
  for (const Gfn frame : {kShared, kGrants}) {
    EXPECT_FALSE(guest_.memory->HasOverlay(frame.Address()));
    EXPECT_EQ(guest_.memory->Read<std::uint64_t>(frame.Address()), 0x1234U);
  }
  EXPECT_EQ(domain_.physmap().populated_pages(), XenGuest::kRamPages);
  EXPECT_TRUE(domain_.physmap().IsRam(kOut));
}

TEST_P(SoftReset, SharedInfoIsAsNewWithTheTimeOfDay) {
  ASSERT_TRUE(domain_.MapSharedInfo(0, Gfn{7}));
  const EvtchnPort port = *domain_.events().BindIpi(1);
  ASSERT_TRUE(domain_.events().Send(port));
  EXPECT_TRUE(domain_.events().UpcallPending(1));

  domain_.StartOver(0);
  EXPECT_FALSE(domain_.events().UpcallPending(1));
  EXPECT_EQ(domain_.width(), GuestWidth::k64);
  ASSERT_TRUE(domain_.MapSharedInfo(0, Gfn{8}));
  EXPECT_EQ(WallClockSeconds(guest_, Gfn{8}), 1'700'000'000U);
  EXPECT_EQ(guest_.memory->Read<std::uint64_t>(Gfn{8}.Address() +
                                               offsetof(shared_info_t, evtchn_pending)),
            0U);
}

TEST_P(SoftReset, TheNewKernelFindsTheTimeRecordOfAVcpuThatStandsStill) {
  vcpu_time_info_t record{};
  record.version = 7;
  record.tsc_to_system_mul = 0x80001234;
  record.tsc_shift = -1;
  ASSERT_TRUE(domain_.RegisterVcpuInfo(0, 0, Gfn{12}, 64));
  ASSERT_TRUE(guest_.memory->Write(Gfn{12}.Address() + (64 + offsetof(vcpu_info_t, time)), record));

  domain_.StartOver(1);
  ASSERT_TRUE(domain_.MapSharedInfo(0, Gfn{8}));
  const auto found = guest_.memory->Read<vcpu_time_info_t>(
      Gfn{8}.Address() + (offsetof(shared_info_t, vcpu_info) + offsetof(vcpu_info_t, time)));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->version, 6U);  // complete: nobody will finish it
  EXPECT_EQ(found->tsc_to_system_mul, 0x80001234U);
  EXPECT_EQ(found->tsc_shift, -1);
}

TEST_P(SoftReset, NoTimerOfTheOldGuestRingsForTheNewOne) {
  ASSERT_TRUE(domain_.events().BindVirq(VIRQ_TIMER, 0));
  ASSERT_TRUE(domain_.timers().SetSingleshot(0, kSecond, false));
  ASSERT_TRUE(domain_.timers().SetPeriodic(1, kSecond));
  ASSERT_TRUE(domain_.shutdown().SetWatchdog(0, 2));
  domain_.shutdown().SetCode(static_cast<std::uint8_t>(ShutdownReason::kCrash));
  EXPECT_TRUE(guest_.wakeup.deadline());

  domain_.StartOver(0);
  EXPECT_FALSE(guest_.wakeup.deadline());
  const EvtchnPort timer = *domain_.events().BindVirq(VIRQ_TIMER, 0);
  guest_.Advance(10 * kSecond);
  EXPECT_FALSE(guest_.Pending(timer));
  EXPECT_TRUE(guest_.machine.shutdowns.empty());
  EXPECT_EQ(domain_.shutdown().SetWatchdog(0, 1).value_or(0), 1U);
  // The code that the old guest gave is not the new one's.
  EXPECT_EQ(domain_.shutdown().Request(static_cast<std::uint8_t>(ShutdownReason::kReboot)), 0);
  EXPECT_EQ(guest_.machine.shutdowns.back(), ShutdownReason::kReboot);
}

TEST_P(SoftReset, AreasAndParametersOfTheOldGuestAreForgotten) {
  const std::uint64_t area = guest_.Allocate(64);
  ASSERT_EQ(guest_.Call(__HYPERVISOR_vcpu_op,
                        {VCPUOP_register_runstate_memory_area, 0, guest_.PutWords({area, 0})}),
            0);
  ASSERT_TRUE(domain_.RegisterVcpuInfo(0, 0, Gfn{12}, 64));
  ASSERT_TRUE(domain_.SetParam(HVM_PARAM_CALLBACK_IRQ, 5, GetParam()));
  domain_.params().Preset(HVM_PARAM_STORE_PFN, 77);

  domain_.StartOver(0);
  EXPECT_FALSE(domain_.runstate(0).HasArea());
  EXPECT_EQ(domain_.params().Get(HVM_PARAM_CALLBACK_IRQ), 0U);
  EXPECT_EQ(domain_.params().Get(HVM_PARAM_STORE_PFN), 77U);
  // It may be registered anew, once for each guest.
  EXPECT_TRUE(domain_.RegisterVcpuInfo(0, 0, Gfn{13}, 64));
  EXPECT_FALSE(domain_.RegisterVcpuInfo(0, 0, Gfn{14}, 64));
}

INSTANTIATE_TEST_SUITE_P(Widths, SoftReset, ::testing::Values(GuestWidth::k64, GuestWidth::k32),
                         [](const auto& param_info) {
                           return param_info.param == GuestWidth::k64 ? "Wide" : "Narrow";
                         });

}  // namespace
}  // namespace veneer
