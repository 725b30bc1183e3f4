#include "veneer/xencompat/domain/xen_domain.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/xen_guest.h"

namespace veneer {
namespace {

using testing::XenGuest;

constexpr std::uint64_t kSecond = 1'000'000'000;

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
  XenGuest guest(GuestWidth::k64, 1,
                 [](XenDomainOptions& options) { options.initial_pages = 100; });
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

}  // namespace
}  // namespace veneer
