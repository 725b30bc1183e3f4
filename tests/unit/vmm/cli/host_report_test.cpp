#include "src/vmm/cli/host_report.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace veneer {
namespace {

using ::testing::HasSubstr;

HostFact Find(const std::vector<HostFact>& facts, const std::string& key) {
  const auto it = std::find_if(facts.begin(), facts.end(),
                               [&](const HostFact& fact) { return fact.key == key; });
  return it == facts.end() ? HostFact{} : *it;
}

TEST(HostFacts, DescribeAHostThatInterpretsKernels) {
  HostProfile profile;
  profile.emulated_kernel = true;
  profile.kernel_instructions_per_second = 1.4e6;
  const auto facts = HostFacts({}, profile, {});
  EXPECT_THAT(Find(facts, "kind").finding, HasSubstr("PVM"));
  EXPECT_THAT(Find(facts, "kernel_speed").finding, HasSubstr("1.4 million"));
  EXPECT_THAT(Find(facts, "assists").finding, HasSubstr("SYSCALL"));
}

TEST(HostFacts, XenSupportThatIsNotAllThereIsNotClaimed) {
  KvmCapabilities capabilities;
  capabilities.xen_flags = 0x3f;
  const auto facts = HostFacts(capabilities, {}, {});
  EXPECT_THAT(Find(facts, "kvm.xen").consequence, HasSubstr("not used"));
  EXPECT_THAT(Find(facts, "transport").finding, HasSubstr("rewritten"));
  EXPECT_THAT(Find(facts, "events").finding, HasSubstr("by Veneer"));
}

TEST(HostFacts, DescribeAHardwareHostWithXenInterception) {
  KvmCapabilities capabilities;
  capabilities.xen_flags = 0x1ff;
  const auto facts = HostFacts(capabilities, {}, {});
  EXPECT_THAT(Find(facts, "kind").finding, HasSubstr("hardware"));
  EXPECT_THAT(Find(facts, "transport").finding, HasSubstr("interception"));
  EXPECT_THAT(Find(facts, "events").finding, HasSubstr("by KVM"));
  EXPECT_EQ(Find(facts, "assists").finding, "none");
}

TEST(HostFacts, SayWhatToDoAboutWhatIsMissing) {
  HostResources resources;
  resources.tap_problem = "Permission denied";
  const auto facts = HostFacts({}, {}, resources);
  EXPECT_THAT(Find(facts, "tap").finding, HasSubstr("Permission denied"));
  EXPECT_THAT(Find(facts, "tap").consequence, HasSubstr("root"));
  EXPECT_THAT(Find(facts, "io_uring").consequence, HasSubstr("sysctl"));
}

TEST(HostFacts, HaveAConsequenceForEachFinding) {
  for (const HostFact& fact : HostFacts({}, {}, {})) {
    EXPECT_FALSE(fact.finding.empty()) << fact.key;
    EXPECT_FALSE(fact.consequence.empty()) << fact.key;
  }
}

}  // namespace
}  // namespace veneer
