#include "src/vmm/machine/upcalls.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/fake_vm.h"
#include "support/scripted_vcpu.h"
#include "veneer/vmm/base/clock.h"

namespace veneer {
namespace {

using ::testing::ElementsAre;
using testing::FakeMsiSink;
using testing::FakeResampledLines;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr std::uint8_t kVector = 0xf3;
constexpr Gsi kLine{10};  // INTA of slot 1
constexpr CallbackPciIntx kIntx{.device = 1, .pin = 0};
constexpr std::uint64_t kPatienceNs = 60'000'000'000;  // ends a test instead of hanging it

// How often an eventfd was written since the last look.
std::uint64_t Writes(int event_fd) {
  std::uint64_t count = 0;
  return read(event_fd, &count, sizeof count) == sizeof count ? count : 0;
}

class UpcallsTest : public ::testing::Test {
 protected:
  static constexpr unsigned kVcpus = 3;

  UpcallsTest() {
    for (unsigned i = 0; i < kVcpus; ++i) {
      auto vcpu = std::make_unique<ScriptedVcpu>(*memory_, i);
      vcpus_.push_back(vcpu.get());
      threads_.push_back(std::make_unique<VcpuThread>(
          std::move(vcpu), VcpuContext{gate_, ports_, mmio_, *memory_, metrics_, {}}));
    }
    upcalls_ = std::make_unique<Upcalls>(
        Upcalls::Parts{msi_, lines_, *loop_, metrics_, threads_,
                       [this](unsigned vcpu) { return pending_.at(vcpu).load(); }},
        kVcpus);
    EXPECT_TRUE(upcalls_->Prepare());
  }

  // Serves the loop until somebody stops it; false if nobody does.
  bool RunLoop() {
    bool in_time = true;
    const EventLoop::TimerId limit =
        loop_->AddTimer(HostClock().MonotonicNs() + kPatienceNs, [this, &in_time] {
          in_time = false;
          loop_->Stop();
        });
    loop_->Run();
    loop_->CancelTimer(limit);
    return in_time;
  }
  // As the vCPU's own thread does it.
  void BeforeRun(unsigned vcpu) { upcalls_->BeforeRun(vcpu, *vcpus_[vcpu]); }
  // What KVM does when the guest has acknowledged the interrupt.
  void AcknowledgeLine() {
    const std::uint64_t one = 1;
    ASSERT_EQ(write(lines_.attached.at(kLine).resample_fd, &one, sizeof one), 8);
    loop_->Post([this] { loop_->Post([this] { loop_->Stop(); }); });
    ASSERT_TRUE(RunLoop());
  }
  std::uint64_t LineWrites() { return Writes(lines_.attached.at(kLine).event_fd); }

  const std::unique_ptr<GuestMemory> memory_ = GuestMemory::CreateFlat(kPageSize).value();
  const std::unique_ptr<EventLoop> loop_ = EventLoop::Create().value();
  Metrics metrics_;
  RunGate gate_;
  Bus ports_{"port", metrics_.Get("bus.port.unclaimed")};
  Bus mmio_{"memory", metrics_.Get("bus.memory.unclaimed")};
  FakeMsiSink msi_;
  FakeResampledLines lines_;
  std::array<std::atomic<bool>, kVcpus> pending_{};
  std::vector<ScriptedVcpu*> vcpus_;
  std::vector<std::unique_ptr<VcpuThread>> threads_;
  std::unique_ptr<Upcalls> upcalls_;
};

// ---- A vector of the vCPU's own.

TEST_F(UpcallsTest, AVectorOfItsOwnReachesTheVcpusLocalApic) {
  upcalls_->SetVector(2, kVector);
  upcalls_->Raise(2);
  EXPECT_THAT(msi_.Take(), ElementsAre(Pair(0xfee02000, kVector)));
}

TEST_F(UpcallsTest, WithoutAnyMethodNothingIsSent) {
  upcalls_->Raise(0);
  EXPECT_THAT(msi_.Take(), IsEmpty());
  EXPECT_EQ(vcpus_[0]->kicks, 0);
}

TEST_F(UpcallsTest, AMessageThatALocalApicDroppedIsSentAgainUntilItIsTaken) {
  upcalls_->SetVector(1, kVector);
  pending_[1] = true;
  msi_.DropNext(3);
  msi_.OnDeliver([this](bool taken) {
    if (taken) {
      loop_->Stop();
    }
  });
  upcalls_->Raise(1);
  ASSERT_TRUE(RunLoop());
  EXPECT_THAT(msi_.Take(), ElementsAre(Pair(0xfee01000, kVector), Pair(0xfee01000, kVector),
                                       Pair(0xfee01000, kVector), Pair(0xfee01000, kVector)));
  EXPECT_EQ(metrics_.Get("xen.upcall_retries").value(), 3U);
}

TEST_F(UpcallsTest, ADroppedMessageIsForgottenOnceTheGuestHasSeenItsEvents) {
  upcalls_->SetVector(1, kVector);
  upcalls_->SetVector(2, kVector);
  msi_.DropNext(2);
  pending_[2] = true;
  upcalls_->Raise(1);
  upcalls_->Raise(2);
  msi_.OnDeliver([this](bool) { loop_->Stop(); });
  ASSERT_TRUE(RunLoop());  // the retry for vCPU 1 comes first
  EXPECT_THAT(msi_.Take(), ElementsAre(Pair(0xfee01000, kVector), Pair(0xfee02000, kVector),
                                       Pair(0xfee02000, kVector)));
}

// ---- The platform device's INTx.

TEST_F(UpcallsTest, TheLineIsAssertedForVcpu0Only) {
  upcalls_->SetMethod(kIntx);
  upcalls_->Raise(1);
  EXPECT_EQ(LineWrites(), 0U);
  upcalls_->Raise(0);
  EXPECT_EQ(LineWrites(), 1U);
  EXPECT_THAT(msi_.Take(), IsEmpty());
}

TEST_F(UpcallsTest, TheLineStaysUpForAsLongAsSomethingIsPending) {
  upcalls_->SetMethod(kIntx);
  pending_[0] = true;
  upcalls_->Raise(0);
  EXPECT_EQ(LineWrites(), 1U);
  AcknowledgeLine();
  EXPECT_EQ(LineWrites(), 1U);
  pending_[0] = false;
  AcknowledgeLine();
  EXPECT_EQ(LineWrites(), 0U);
}

TEST_F(UpcallsTest, AVectorOfItsOwnEndsTheLinesUse) {
  upcalls_->SetMethod(kIntx);
  pending_[0] = true;
  upcalls_->SetVector(0, kVector);
  AcknowledgeLine();
  EXPECT_EQ(LineWrites(), 0U);
}

TEST_F(UpcallsTest, AnotherMethodTakesTheLineAway) {
  upcalls_->SetMethod(kIntx);
  ASSERT_TRUE(lines_.attached.contains(kLine));
  upcalls_->SetMethod(CallbackGsi{Gsi{7}});
  EXPECT_FALSE(lines_.attached.contains(kLine));
  EXPECT_TRUE(lines_.attached.contains(Gsi{7}));
  upcalls_->SetMethod(CallbackNone{});
  EXPECT_TRUE(lines_.attached.empty());
}

TEST_F(UpcallsTest, TwoVcpusMayChangeTheMethodAtOnce) {
  const auto change = [this] {
    for (int i = 0; i < 1000; ++i) {
      upcalls_->SetMethod(CallbackGsi{Gsi{9}});
    }
  };
  std::thread other(change);
  change();
  other.join();
  EXPECT_EQ(lines_.refused, 0) << "one found the other's line in its way";
  EXPECT_TRUE(lines_.attached.contains(Gsi{9}));
}

TEST_F(UpcallsTest, TheLineThatLinuxNamesBesideItsVectorsIsNotOne) {
  upcalls_->SetVector(0, kVector);
  upcalls_->SetMethod(CallbackGsi{Gsi{1}});
  EXPECT_TRUE(lines_.attached.empty());
}

TEST_F(UpcallsTest, ALineThatKvmRefusesIsNotWrittenTo) {
  lines_.refuses = true;
  upcalls_->SetMethod(kIntx);
  upcalls_->Raise(0);
  EXPECT_TRUE(lines_.attached.empty());
  EXPECT_THAT(msi_.Take(), IsEmpty());
}

// ---- The vector without an EOI.

TEST_F(UpcallsTest, TheEoiLessVectorIsInjectedBeforeTheVcpuRuns) {
  upcalls_->SetMethod(CallbackVector{kVector});
  pending_[1] = true;
  upcalls_->Raise(1);
  EXPECT_EQ(vcpus_[1]->kicks, 1);
  EXPECT_THAT(vcpus_[1]->interrupts, IsEmpty());
  BeforeRun(1);
  EXPECT_THAT(vcpus_[1]->interrupts, ElementsAre(kVector));
  BeforeRun(1);
  EXPECT_THAT(vcpus_[1]->interrupts, ElementsAre(kVector));
  EXPECT_THAT(msi_.Take(), IsEmpty());
}

TEST_F(UpcallsTest, TheEoiLessVectorIsNotInjectedWhenTheGuestHasSeenItsEvents) {
  upcalls_->SetMethod(CallbackVector{kVector});
  upcalls_->Raise(0);
  BeforeRun(0);
  EXPECT_THAT(vcpus_[0]->interrupts, IsEmpty());
}

TEST_F(UpcallsTest, AVcpuThatCannotTakeTheVectorIsAskedAgain) {
  upcalls_->SetMethod(CallbackVector{kVector});
  pending_[0] = true;
  vcpus_[0]->accepts_interrupts = false;
  upcalls_->Raise(0);
  BeforeRun(0);
  EXPECT_THAT(vcpus_[0]->interrupts, IsEmpty());
  // The guest switches interrupts on and is out of KVM for another reason.
  vcpus_[0]->accepts_interrupts = true;
  BeforeRun(0);
  EXPECT_THAT(vcpus_[0]->interrupts, ElementsAre(kVector));
}

TEST_F(UpcallsTest, AVcpuThatStaysInKvmIsFetchedForTheVectorItCouldNotTake) {
  upcalls_->SetMethod(CallbackVector{kVector});
  pending_[0] = true;
  vcpus_[0]->accepts_interrupts = false;
  upcalls_->Raise(0);
  BeforeRun(0);
  const int kicks = vcpus_[0]->kicks;
  std::function<void()> look = [&] {
    if (vcpus_[0]->kicks > kicks) {
      loop_->Stop();
    } else {
      loop_->AddTimer(HostClock().MonotonicNs() + 1'000'000, look);
    }
  };
  loop_->Post(look);
  EXPECT_TRUE(RunLoop());
}

TEST_F(UpcallsTest, AVectorOfItsOwnWinsOverTheGuestsMethod) {
  upcalls_->SetMethod(CallbackVector{0x30});
  upcalls_->SetVector(1, kVector);
  upcalls_->Raise(1);
  EXPECT_THAT(msi_.Take(), ElementsAre(Pair(0xfee01000, kVector)));
  EXPECT_EQ(vcpus_[1]->kicks, 0);
}

}  // namespace
}  // namespace veneer
