#include "veneer/xencompat/entry/xen_cpuid.h"

#include <algorithm>
#include <cstring>
#include <string>

#include <gtest/gtest.h>

namespace veneer {
namespace {

XenCpuidLeaf Leaf(const XenCpuidConfig& config, std::uint32_t offset, std::uint32_t subleaf = 0,
                  std::uint32_t vcpu = 0) {
  const auto leaves = XenCpuidLeaves(config, vcpu);
  const auto found = std::find_if(leaves.begin(), leaves.end(), [&](const XenCpuidLeaf& leaf) {
    return leaf.leaf == kXenCpuidBase + offset && leaf.subleaf == subleaf;
  });
  EXPECT_NE(found, leaves.end()) << offset << "." << subleaf;
  return found == leaves.end() ? XenCpuidLeaf{} : *found;
}

TEST(XenCpuidLeaves, IntroduceThemselvesAsXen) {
  const XenCpuidLeaf leaf = Leaf({}, 0);
  std::string signature(12, ' ');
  std::memcpy(signature.data(), &leaf.ebx, 4);
  std::memcpy(signature.data() + 4, &leaf.ecx, 4);
  std::memcpy(signature.data() + 8, &leaf.edx, 4);
  EXPECT_EQ(signature, "XenVMMXenVMM");
  EXPECT_EQ(leaf.eax, 0x40000005U);
}

TEST(XenCpuidLeaves, CoverEveryLeafUpToTheHighestOnce) {
  const auto leaves = XenCpuidLeaves({}, 0);
  for (std::uint32_t leaf = 0x40000000; leaf <= 0x40000005; ++leaf) {
    EXPECT_TRUE(std::any_of(leaves.begin(), leaves.end(),
                            [&](const XenCpuidLeaf& entry) { return entry.leaf == leaf; }));
  }
  for (const XenCpuidLeaf& a : leaves) {
    EXPECT_EQ(std::count_if(leaves.begin(), leaves.end(),
                            [&](const XenCpuidLeaf& b) {
                              return a.leaf == b.leaf && a.subleaf == b.subleaf;
                            }),
              1);
  }
}

TEST(XenCpuidLeaves, TellTheVersion) {
  EXPECT_EQ(Leaf({}, 1).eax, 4U << 16 | 17U);
  EXPECT_EQ(Leaf({.major = 4, .minor = 19}, 1).eax, 4U << 16 | 19U);
}

TEST(XenCpuidLeaves, NameTheHypercallMsr) {
  EXPECT_EQ(Leaf({}, 2).eax, 1U);
  EXPECT_EQ(Leaf({}, 2).ebx, 0x40000000U);
}

TEST(XenCpuidLeaves, SayTheTscIsSafeOnlyWhenItIs) {
  const XenCpuidLeaf emulated = Leaf({.tsc_khz = 2'000'000}, 3);
  EXPECT_EQ(emulated.ebx, 0U);
  EXPECT_EQ(emulated.ecx, 2'000'000U);
  EXPECT_EQ(emulated.eax, 0U);
  const XenCpuidLeaf safe = Leaf({.tsc_reliable = true, .rdtscp = true, .incarnation = 3}, 3);
  EXPECT_EQ(safe.ebx, 2U) << "never emulated";
  EXPECT_EQ(safe.eax, 6U);
  EXPECT_EQ(safe.edx, 3U);
  EXPECT_EQ(Leaf({.tsc_khz = 77}, 3, 2).eax, 77U);
}

TEST(XenCpuidLeaves, IdentifyVcpuAndDomain) {
  const XenCpuidLeaf leaf = Leaf({.domid = 5}, 4, 0, 3);
  EXPECT_EQ(leaf.eax & (1U << 3), 1U << 3);
  EXPECT_EQ(leaf.ebx, 3U);
  EXPECT_EQ(leaf.eax & (1U << 4), 1U << 4);
  EXPECT_EQ(leaf.ecx, 5U);
}

TEST(XenCpuidLeaves, OfferWhatTheMachineHas) {
  EXPECT_EQ(Leaf({}, 4).eax, 1U << 3 | 1U << 4 | 1U << 6) << "upcall vector by default";
  EXPECT_EQ(Leaf({.upcall_vector = false}, 4).eax, 1U << 3 | 1U << 4);
  EXPECT_EQ(Leaf({.apic_registers_virtualized = true,
                  .x2apic_virtualized = true,
                  .extended_destination_id = true},
                 4)
                .eax,
            0x7bU);
}

TEST(XenCpuidLeaves, TellTheAddressWidth) {
  EXPECT_EQ(Leaf({.physical_address_bits = 39}, 5).eax, 39U);
}

}  // namespace
}  // namespace veneer
