#include "src/vmm/machine/kernel_side.h"

#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/fake_vm.h"
#include "support/scripted_vcpu.h"
#include "veneer/vmm/base/event_fd.h"
#include "veneer/xencompat/abi/xen_headers.h"

namespace veneer {
namespace {

using ::testing::ElementsAre;
using testing::FakeKernelXen;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr std::uint8_t kVector = 0xf3;
constexpr std::uint32_t kAllFlags = 0x1ff;

FakeKernelXen::Route ToVcpu(std::uint32_t vcpu) { return {.event_fd = -1, .vcpu = vcpu}; }

// Two vCPUs whose threads run what is posted to them when a test says so.
class KernelSideTest : public ::testing::Test {
 protected:
  static constexpr unsigned kVcpus = 2;

  explicit KernelSideTest(std::uint32_t flags = kAllFlags, bool timers = true) {
    for (unsigned i = 0; i < kVcpus; ++i) {
      auto vcpu = std::make_unique<ScriptedVcpu>(*memory_, i);
      vcpus_.push_back(vcpu.get());
      gates_.push_back(std::make_unique<RunGate>());
      threads_.push_back(std::make_unique<VcpuThread>(
          std::move(vcpu), VcpuContext{*gates_.back(), bus_, bus_, *memory_, metrics_, {}}));
    }
    upcalls_ = std::make_unique<Upcalls>(
        Upcalls::Parts{msi_, lines_, *loop_, metrics_, threads_,
                       [this](unsigned vcpu) { return events_->UpcallPending(vcpu); }},
        kVcpus);
    EXPECT_TRUE(upcalls_->Prepare());
    upcalls_->SetKernelInjects(true);
    side_ = std::make_unique<KernelSide>(
        KernelSide::Parts{.kernel = kernel_,
                          .upcalls = *upcalls_,
                          .vcpus = threads_,
                          .metrics = metrics_,
                          .events = [this]() -> EventChannels& { return *events_; },
                          .guest_ns = [this] { return now_; },
                          .flags = flags,
                          .timers = timers},
        kVcpus);
    EventChannels::Options options;
    options.vcpus = kVcpus;
    options.fifo = false;
    options.kernel = side_.get();
    events_ =
        EventChannels::Create(*memory_, shared_info_.bytes(), *upcalls_, metrics_, options).value();
    events_->SetObserver(side_.get());
  }
  ~KernelSideTest() override { events_->SetObserver(nullptr); }

  // One turn of the vCPU's thread.
  void Turn(unsigned vcpu) {
    class Once final : public ExitHandler {
     public:
      explicit Once(RunGate& gate) : gate_(gate) {}
      Outcome OnExit(Vcpu& /*vcpu*/, const VcpuExit& /*exit*/) override {
        gate_.Stop();
        return Outcome::kHandled;
      }

     private:
      RunGate& gate_;
    };
    threads_[vcpu]->AddExitHandler(std::make_unique<Once>(*gates_[vcpu]));
    ASSERT_TRUE(threads_[vcpu]->Start());
    threads_[vcpu]->Join();
  }
  void SetVector(unsigned vcpu, std::uint8_t vector = kVector) {
    upcalls_->SetVector(vcpu, vector);
    side_->SetVector(vcpu, vector);
  }
  std::uint64_t Attribute(unsigned vcpu, XenAttribute attribute) {
    const auto found = vcpus_[vcpu]->xen.find(attribute);
    return found == vcpus_[vcpu]->xen.end() ? 0xdead : found->second;
  }
  std::uint64_t Selector(unsigned vcpu) {
    return SharedWord<std::uint64_t>(events_->VcpuInfo(vcpu).data() +
                                     offsetof(vcpu_info_t, evtchn_pending_sel))
        .load();
  }

  const std::unique_ptr<GuestMemory> memory_ = GuestMemory::CreateFlat(16 * kPageSize).value();
  const std::unique_ptr<EventLoop> loop_ = EventLoop::Create().value();
  SharedPages shared_info_ = std::move(*SharedPages::Create(1));
  Metrics metrics_;
  Bus bus_{"port", metrics_.Get("bus.port.unclaimed")};
  testing::FakeMsiSink msi_;
  testing::FakeResampledLines lines_;
  FakeKernelXen kernel_;
  std::uint64_t now_ = 0;
  std::vector<ScriptedVcpu*> vcpus_;
  std::vector<std::unique_ptr<RunGate>> gates_;
  std::vector<std::unique_ptr<VcpuThread>> threads_;
  std::unique_ptr<Upcalls> upcalls_;
  std::unique_ptr<KernelSide> side_;
  std::unique_ptr<EventChannels> events_;
};

// ---- What the guest sends.

TEST_F(KernelSideTest, SendsToABackEndEndAtItsEventfd) {
  const EventFd event = std::move(*EventFd::Create());
  const EvtchnPort port = events_->AllocGuestUnbound().value();
  const EvtchnPort host_port = events_->BindHost(port, event.get()).value();
  ASSERT_TRUE(kernel_.routes.contains(port.value));
  EXPECT_GE(kernel_.routes[port.value].event_fd, 0);
  ASSERT_TRUE(events_->CloseHost(host_port));
  EXPECT_THAT(kernel_.routes, IsEmpty());
}

TEST_F(KernelSideTest, AFunctionsPortHasNoRouteAndSoLeavesToUserspace) {
  const EvtchnPort port = events_->AllocGuestUnbound().value();
  ASSERT_TRUE(events_->BindHost(port, [] {}));
  EXPECT_THAT(kernel_.routes, IsEmpty());
}

TEST_F(KernelSideTest, AnIpiReachesItsVcpuInTheKernelOnceThatHasAVector) {
  const EvtchnPort port = events_->BindIpi(1).value();
  EXPECT_THAT(kernel_.routes, IsEmpty());
  SetVector(1);
  EXPECT_THAT(kernel_.routes, ElementsAre(Pair(port.value, ToVcpu(1))));
  const EvtchnPort second = events_->BindIpi(1).value();
  EXPECT_THAT(kernel_.routes,
              ElementsAre(Pair(port.value, ToVcpu(1)), Pair(second.value, ToVcpu(1))));
  ASSERT_TRUE(events_->Close(port));
  EXPECT_THAT(kernel_.routes, ElementsAre(Pair(second.value, ToVcpu(1))));
}

TEST_F(KernelSideTest, TheWholeGuestsVectorDoesForEveryVcpu) {
  const EvtchnPort first = events_->BindIpi(0).value();
  const EvtchnPort second = events_->BindIpi(1).value();
  side_->SetCallbackVector(0x31);
  EXPECT_EQ(kernel_.callback_vector, 0x31);
  EXPECT_THAT(kernel_.routes,
              ElementsAre(Pair(first.value, ToVcpu(0)), Pair(second.value, ToVcpu(1))));
  side_->SetCallbackVector(0);
  EXPECT_THAT(kernel_.routes, IsEmpty());
}

TEST_F(KernelSideTest, AResetTakesAllRoutesAway) {
  SetVector(0);
  SetVector(1);
  ASSERT_TRUE(events_->BindIpi(0));
  ASSERT_TRUE(events_->BindIpi(1));
  ASSERT_TRUE(events_->Reset(DOMID_SELF));
  EXPECT_THAT(kernel_.routes, IsEmpty());
}

// ---- What the guest is sent.

TEST_F(KernelSideTest, EventsOfBackEndsAreMadePendingByTheKernel) {
  const EvtchnPort port = events_->AllocGuestUnbound().value();
  const EvtchnPort host_port = events_->BindHost(port, [] {}).value();
  ASSERT_TRUE(events_->Notify(host_port));
  EXPECT_THAT(kernel_.events, ElementsAre(Pair(port.value, 0)));
  EXPECT_EQ(Selector(0), 0U);  // the kernel does that
  EXPECT_THAT(msi_.Take(), IsEmpty());
}

TEST_F(KernelSideTest, AnEventThatIsPendingIsNotSentAgain) {
  const EvtchnPort port = events_->AllocGuestUnbound().value();
  const EvtchnPort host_port = events_->BindHost(port, [] {}).value();
  SharedWord<std::uint64_t>(shared_info_.data() + offsetof(shared_info_t, evtchn_pending))
      .store(std::uint64_t{1} << port.value);
  ASSERT_TRUE(events_->Notify(host_port));
  EXPECT_THAT(kernel_.events, IsEmpty());
}

TEST_F(KernelSideTest, AnEventGoesToTheVcpuThatItsPortIsBoundTo) {
  const EvtchnPort port = events_->AllocGuestUnbound().value();
  const EvtchnPort host_port = events_->BindHost(port, [] {}).value();
  ASSERT_TRUE(events_->BindVcpu(port, 1));
  ASSERT_TRUE(events_->Notify(host_port));
  EXPECT_THAT(kernel_.events, ElementsAre(Pair(port.value, 1)));
}

TEST_F(KernelSideTest, WhatTheKernelRefusesIsDeliveredFromHere) {
  kernel_.refuses_to_send = true;
  SetVector(0);
  msi_.Take();
  const EvtchnPort port = events_->AllocGuestUnbound().value();
  const EvtchnPort host_port = events_->BindHost(port, [] {}).value();
  ASSERT_TRUE(events_->Notify(host_port));
  EXPECT_TRUE(events_->IsPending(port));
  EXPECT_EQ(Selector(0), 1U);
  EXPECT_THAT(msi_.Take(), ElementsAre(Pair(0xfee00000, kVector)));
}

TEST_F(KernelSideTest, ALineIsAssertedForAnEventOfTheKernels) {
  upcalls_->SetMethod(CallbackGsi{Gsi{7}});
  const EvtchnPort port = events_->AllocGuestUnbound().value();
  const EvtchnPort host_port = events_->BindHost(port, [] {}).value();
  SharedWord<std::uint8_t>(events_->VcpuInfo(0).data()).store(1);  // as KVM marks it
  ASSERT_TRUE(events_->Notify(host_port));
  std::uint64_t writes = 0;
  EXPECT_EQ(read(lines_.attached.at(Gsi{7}).event_fd, &writes, sizeof writes), 8);
}

TEST_F(KernelSideTest, TheEoiLessVectorIsInjectedByKvmAndTheVcpuOnlyFetched) {
  upcalls_->SetMethod(CallbackVector{0x31});
  upcalls_->Raise(1);
  EXPECT_EQ(vcpus_[1]->kicks, 1);
  upcalls_->BeforeRun(1, *vcpus_[1]);
  EXPECT_THAT(vcpus_[1]->interrupts, IsEmpty());
}

// ---- What KVM keeps of a vCPU, set on that vCPU's thread.

TEST_F(KernelSideTest, AVcpuStartsWithItsNumberAndItsPlaceInSharedInfo) {
  ASSERT_TRUE(side_->Prepare(*vcpus_[1], events_->VcpuInfo(1)));
  EXPECT_EQ(Attribute(1, XenAttribute::kVcpuId), 1U);
  EXPECT_EQ(Attribute(1, XenAttribute::kVcpuInfoHost),
            reinterpret_cast<std::uint64_t>(shared_info_.data() + 64));
}

TEST_F(KernelSideTest, AVcpuThatKvmDoesNotTakeIsAnError) {
  vcpus_[0]->accepts_xen = false;
  EXPECT_FALSE(side_->Prepare(*vcpus_[0], events_->VcpuInfo(0)));
}

TEST_F(KernelSideTest, AVectorIsSetOnTheVcpusOwnThreadAndFollowedByWhatWasMissed) {
  SetVector(1);
  EXPECT_EQ(Attribute(1, XenAttribute::kUpcallVector), 0xdeadU);
  // KVM has marked an event in between, and has had no vector to interrupt at.
  SharedWord<std::uint8_t>(events_->VcpuInfo(1).data()).store(1);
  Turn(1);
  EXPECT_EQ(Attribute(1, XenAttribute::kUpcallVector), kVector);
  EXPECT_THAT(msi_.Take(), ElementsAre(Pair(0xfee01000, kVector)));
}

TEST_F(KernelSideTest, AfterTheVcpuInfoHasMovedEverythingIsPendingAtTheNewPlace) {
  SetVector(1);
  ASSERT_TRUE(events_->SetVcpuInfo(1, memory_->Pin(Gpa{0x3000}, 64)));
  side_->MoveVcpuInfo(1, Gpa{0x3000});
  // The guest deals with what it finds before KVM knows of the move.
  SharedWord<std::uint8_t>(events_->VcpuInfo(1).data()).store(0);
  SharedWord<std::uint64_t>(events_->VcpuInfo(1).data() + offsetof(vcpu_info_t, evtchn_pending_sel))
      .store(0);
  msi_.Take();
  Turn(1);
  EXPECT_EQ(Attribute(1, XenAttribute::kVcpuInfo), 0x3000U);
  EXPECT_EQ(Selector(1), ~std::uint64_t{0});
  EXPECT_TRUE(events_->UpcallPending(1));
  EXPECT_THAT(msi_.Take(), ::testing::Contains(Pair(0xfee01000, kVector)));
}

TEST_F(KernelSideTest, TheTimersPortIsKvmsOnceItsVcpuHasAVector) {
  const EvtchnPort port = events_->BindVirq(VIRQ_TIMER, 1).value();
  const EvtchnPort other = events_->BindVirq(VIRQ_DEBUG, 1).value();
  EXPECT_NE(port, other);
  SetVector(1);
  Turn(1);
  EXPECT_EQ(Attribute(1, XenAttribute::kTimerPort), port.value);
}

TEST_F(KernelSideTest, ATimerThatIsClosedIsKvmsNoMore) {
  SetVector(1);
  const EvtchnPort port = events_->BindVirq(VIRQ_TIMER, 1).value();
  ASSERT_TRUE(events_->Close(port));
  Turn(1);
  EXPECT_EQ(Attribute(1, XenAttribute::kTimerPort), 0U);
}

TEST_F(KernelSideTest, TheRunstateAndTheSecondClockAreKeptByKvm) {
  EXPECT_TRUE(side_->KeepRunstate(0, Gpa{0x5000}));
  EXPECT_TRUE(side_->KeepSecondaryTime(0, Gpa{0x6000}));
  Turn(0);
  EXPECT_EQ(Attribute(0, XenAttribute::kRunstate), 0x5000U);
  EXPECT_EQ(Attribute(0, XenAttribute::kTimeInfo), 0x6000U);
}

TEST_F(KernelSideTest, AnAreaThatEndsIsNowhere) {
  EXPECT_TRUE(side_->KeepRunstate(0, std::nullopt));
  Turn(0);
  EXPECT_EQ(Attribute(0, XenAttribute::kRunstate), kNowhere);
}

TEST_F(KernelSideTest, TheWidthAndTheUpdateFlagReachKvm) {
  side_->SetWidth(GuestWidth::k32);
  EXPECT_EQ(kernel_.wide, false);
  side_->FlagRunstateUpdates(true);
  EXPECT_TRUE(kernel_.runstate_update_flag);
}

TEST_F(KernelSideTest, AnotherVcpusRunStateIsNotAskedFor) {
  vcpus_[1]->xen_runstate = XenRunstate{};
  EXPECT_FALSE(side_->ReadRunstate(1));
}

TEST_F(KernelSideTest, TheRunStateIsBroughtUpToNow) {
  vcpus_[0]->xen_runstate = XenRunstate{RUNSTATE_running, 100, {40, 30, 20, 10}};
  now_ = 107;
  std::optional<vcpu_runstate_info_t> info;
  threads_[0]->Post(VcpuTask::kClock, [&](Vcpu&) { info = side_->ReadRunstate(0); });
  Turn(0);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->state, RUNSTATE_running);
  EXPECT_THAT(info->time, ElementsAre(47, 30, 20, 10));
}

// A kernel started by kexec finds what the one before it found at boot.
TEST_F(KernelSideTest, NothingOfOneGuestIsLeftForTheNext) {
  SetVector(1);
  side_->SetCallbackVector(0xf4);
  side_->SetWidth(GuestWidth::k32);
  side_->FlagRunstateUpdates(true);
  side_->MoveVcpuInfo(1, Gpa{0x7000});
  EXPECT_TRUE(side_->KeepRunstate(1, Gpa{0x5000}));
  EXPECT_TRUE(side_->KeepSecondaryTime(1, Gpa{0x6000}));
  ASSERT_TRUE(events_->BindVirq(VIRQ_TIMER, 1));
  ASSERT_TRUE(events_->BindIpi(1));

  events_->StartOver(0);
  side_->StartOver();
  Turn(1);
  EXPECT_THAT(kernel_.routes, IsEmpty());
  EXPECT_EQ(kernel_.callback_vector, 0);
  EXPECT_EQ(kernel_.wide, true);
  EXPECT_FALSE(kernel_.runstate_update_flag);
  EXPECT_EQ(Attribute(1, XenAttribute::kUpcallVector), 0U);
  EXPECT_EQ(Attribute(1, XenAttribute::kTimerPort), 0U);
  EXPECT_EQ(Attribute(1, XenAttribute::kRunstate), kNowhere);
  EXPECT_EQ(Attribute(1, XenAttribute::kTimeInfo), kNowhere);
  EXPECT_EQ(Attribute(1, XenAttribute::kVcpuInfoHost),
            reinterpret_cast<std::uint64_t>(events_->VcpuInfo(1).data()));
}

// ---- Where KVM, or the user, leaves some of it out.

class WithoutRunstate : public KernelSideTest {
 protected:
  WithoutRunstate() : KernelSideTest(kXenFlagsNeeded, false) {}
};

TEST_F(WithoutRunstate, VeneerKeepsIt) {
  EXPECT_FALSE(side_->KeepRunstate(0, Gpa{0x5000}));
  side_->FlagRunstateUpdates(true);
  EXPECT_FALSE(kernel_.runstate_update_flag);
}

TEST_F(WithoutRunstate, TimersStayVeneersIfTheyAreLimited) {
  SetVector(1);
  ASSERT_TRUE(events_->BindVirq(VIRQ_TIMER, 1));
  Turn(1);
  EXPECT_EQ(Attribute(1, XenAttribute::kTimerPort), 0xdeadU);
}

}  // namespace
}  // namespace veneer
