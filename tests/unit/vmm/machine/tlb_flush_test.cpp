#include "src/vmm/machine/tlb_flush.h"

#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/scripted_vcpu.h"

namespace veneer {
namespace {

constexpr std::uint64_t kCr4 = kCr4GlobalPages | kCr4PhysicalAddressExtension;

void OnAnotherThread(const std::function<void()>& task) { std::thread(task).join(); }

// vCPU 0 asks, from threads of the test's; vCPU 1 runs until it has nothing left to do.
class TlbFlushTest : public ::testing::Test {
 protected:
  TlbFlushTest() {
    for (unsigned i = 0; i < 3; ++i) {
      auto vcpu = std::make_unique<ScriptedVcpu>(*memory_, i);
      vcpu->system.cr4 = kCr4;
      vcpus_.push_back(vcpu.get());
      threads_.push_back(std::make_unique<VcpuThread>(
          std::move(vcpu), VcpuContext{gate_, ports_, mmio_, *memory_, metrics_, {}}));
    }
  }
  // `steps`: what happens while vCPU 1 is in the guest, each time.
  void RunVcpu1(std::vector<std::function<void()>> steps) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
      vcpus_[1]->exits.emplace_back(DebugExit{});
    }
    vcpus_[1]->on_run = [this, steps, next = std::size_t{0}]() mutable {
      if (next < steps.size()) {
        steps[next++]();
      } else {
        gate_.Stop();
      }
    };
    ASSERT_TRUE(threads_[1]->Start());
    threads_[1]->Join();
  }

  const std::unique_ptr<GuestMemory> memory_ = GuestMemory::CreateFlat(kPageSize).value();
  Metrics metrics_;
  RunGate gate_;
  Bus ports_{"port", metrics_.Get("bus.port.unclaimed")};
  Bus mmio_{"memory", metrics_.Get("bus.memory.unclaimed")};
  std::vector<ScriptedVcpu*> vcpus_;
  std::vector<std::unique_ptr<VcpuThread>> threads_;
  TlbFlush flush_{threads_, 3};
};

TEST_F(TlbFlushTest, AVcpuInTheGuestIsWaitedForUntilItHasForgottenAll) {
  bool early = true;
  bool late = false;
  std::size_t changes_between = 0;
  RunVcpu1({[] {}, [&] { OnAnotherThread([&] { early = flush_.Go(0); }); },
            [&] {
              changes_between = vcpus_[1]->system_settings.size();
              OnAnotherThread([&] { late = flush_.Go(0); });
            }});
  EXPECT_FALSE(early);
  EXPECT_TRUE(late) << "it is in the guest again, but without what it remembered";
  EXPECT_EQ(changes_between, 2U);
  ASSERT_EQ(vcpus_[1]->system_settings.size(), 2U) << "asking again begins no other flush";
  EXPECT_EQ(vcpus_[1]->system_settings[0].cr4, kCr4 & ~kCr4GlobalPages);
  EXPECT_EQ(vcpus_[1]->system_settings[1].cr4, kCr4);
}

TEST_F(TlbFlushTest, VcpusOutsideTheGuestAreNotWaitedFor) {
  RunVcpu1({[] {}});
  EXPECT_TRUE(flush_.Go(0));
  EXPECT_TRUE(flush_.Go(2)) << "and those that have not been started have nothing to forget";
}

TEST_F(TlbFlushTest, ANewGuestBeginsItsOwn) {
  bool first = true;
  bool second = true;
  RunVcpu1({[] {},
            [&] {
              OnAnotherThread([&] { first = flush_.Go(0); });
              flush_.StartOver();
            },
            [&] { OnAnotherThread([&] { second = flush_.Go(0); }); }});
  EXPECT_FALSE(first);
  EXPECT_FALSE(second) << "the flush of the old one is not taken for its own";
}

}  // namespace
}  // namespace veneer
