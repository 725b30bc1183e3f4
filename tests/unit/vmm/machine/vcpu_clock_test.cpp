#include "src/vmm/machine/vcpu_clock.h"

#include <memory>
#include <utility>

#include <gtest/gtest.h>

#include "support/scripted_vcpu.h"

namespace veneer {
namespace {

constexpr std::uint32_t kMsrKvmSystemTimeNew = 0x4b564d01;
constexpr Gpa kClock{0x1234'5680};

class VcpuClock : public ::testing::Test {
 protected:
  VcpuClock() { vcpu.msrs[kMsrKvmSystemTimeNew] = 0; }

  std::unique_ptr<GuestMemory> memory = std::move(*GuestMemory::CreateFlat(kPageSize));
  ScriptedVcpu vcpu{*memory};
};

TEST_F(VcpuClock, IsEnabledAtItsAddress) {
  KeepVcpuClock(vcpu, kClock);
  EXPECT_EQ(vcpu.GetMsr(kMsrKvmSystemTimeNew), kClock.value | 1);
}

TEST_F(VcpuClock, IsEnabledAgainAfterInitHasClearedIt) {
  KeepVcpuClock(vcpu, kClock);
  ASSERT_TRUE(vcpu.SetMsr(kMsrKvmSystemTimeNew, 0));
  KeepVcpuClock(vcpu, kClock);
  EXPECT_EQ(vcpu.GetMsr(kMsrKvmSystemTimeNew), kClock.value | 1);
}

}  // namespace
}  // namespace veneer
