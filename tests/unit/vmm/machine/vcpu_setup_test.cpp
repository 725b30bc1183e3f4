#include "src/vmm/machine/vcpu_setup.h"

#include <gtest/gtest.h>

namespace veneer {
namespace {

CpuidTable Supported() {
  CpuidLeaf features;
  features.function = 1;
  CpuidLeaf kvm_signature;
  kvm_signature.function = kHypervisorLeafBase;
  CpuidLeaf kvm_features;
  kvm_features.function = kHypervisorLeafBase + 1;
  kvm_features.eax = 0xffffffff;
  CpuidLeaf topology0;
  topology0.function = 0xb;
  topology0.index_significant = true;
  CpuidLeaf topology1 = topology0;
  topology1.index = 1;
  return {features, kvm_signature, kvm_features, topology0, topology1};
}

TEST(GuestCpuid, SaysThatAHypervisorIsThereAndWhoTheVcpuIs) {
  CpuidTable table = GuestCpuid(Supported(), {}, {}, 3, 4);
  const CpuidLeaf* features = FindLeaf(table, 1);
  ASSERT_NE(features, nullptr);
  EXPECT_NE(features->ecx & (1U << 31U), 0U);
  EXPECT_EQ(features->ebx >> 24U, 3U);
  EXPECT_EQ((features->ebx >> 16U) & 0xffU, 4U);
  EXPECT_EQ(FindLeaf(table, 0xb, 0)->edx, 3U);
  EXPECT_EQ(FindLeaf(table, 0xb, 1)->ebx, 4U);
  EXPECT_EQ(FindLeaf(table, 0xb, 1)->eax, 2U);  // four cores need two bits
}

TEST(GuestCpuid, KeepsKvmFeaturesThatNeedVmcallFromInterpretedKernels) {
  constexpr std::uint32_t kPvSendIpi = 1U << 11U;
  constexpr std::uint32_t kClock2 = 1U << 3U;
  HostProfile emulated;
  emulated.emulated_kernel = true;
  CpuidTable table = GuestCpuid(Supported(), {}, emulated, 0, 1);
  EXPECT_EQ(FindLeaf(table, kHypervisorLeafBase + 1)->eax & kPvSendIpi, 0U);
  EXPECT_NE(FindLeaf(table, kHypervisorLeafBase + 1)->eax & kClock2, 0U);
  table = GuestCpuid(Supported(), {}, HostProfile{}, 0, 1);
  EXPECT_NE(FindLeaf(table, kHypervisorLeafBase + 1)->eax & kPvSendIpi, 0U);
}

TEST(GuestCpuid, OffersTheTscDeadlineTimerWhereKvmHasIt) {
  constexpr std::uint32_t kTscDeadline = 1U << 24U;
  KvmCapabilities capabilities;
  CpuidTable table = GuestCpuid(Supported(), capabilities, {}, 0, 1);
  EXPECT_EQ(FindLeaf(table, 1)->ecx & kTscDeadline, 0U);
  capabilities.tsc_deadline_timer = true;
  table = GuestCpuid(Supported(), capabilities, {}, 0, 1);
  EXPECT_NE(FindLeaf(table, 1)->ecx & kTscDeadline, 0U);
}

}  // namespace
}  // namespace veneer
