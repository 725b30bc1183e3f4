#include "src/vmm/machine/e1000_nics.h"

#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/pci_root.h"
#include "veneer/xencompat/platform/platform_ports.h"

namespace veneer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class E1000NicsTest : public ::testing::Test {
 protected:
  E1000NicsTest() { EXPECT_TRUE(root_.pci.Attach()); }

  void AddNic(const std::string& model) {
    config_.nics.push_back(ParseNet("user,model=" + model).value());
  }
  Result<std::unique_ptr<E1000Nics>> Create() {
    EXPECT_TRUE(IdentifyNics("guest", config_.nics));
    return E1000Nics::Create(
        {.config = config_, .memory = *memory_, .pci = root_.pci, .metrics = metrics_});
  }
  static std::vector<unsigned> Numbers(const E1000Nics& nics) {
    std::vector<unsigned> numbers;
    for (const EmulatedDevices::Nic& nic : nics.List()) {
      numbers.push_back(nic.number);
    }
    return numbers;
  }
  // Vendor and device in that slot, all-ones if it is empty.
  std::uint64_t IdOf(unsigned slot) {
    root_.ports.Write(0xcf8, 4, 0x80000000U | slot << 11U);
    return root_.ports.Read(0xcfc, 4);
  }

  static constexpr std::uint64_t kEmpty = 0xffffffff;
  static constexpr std::uint64_t kE1000 = 0x100e8086;

  MachineConfig config_;
  const std::unique_ptr<GuestMemory> memory_ = GuestMemory::CreateFlat(16 * kPageSize).value();
  Metrics metrics_;
  testing::PciRoot root_;
};

TEST_F(E1000NicsTest, EachHasASlotOfItsOwnAndItsOwnNumber) {
  AddNic("e1000");
  AddNic("pv");
  AddNic("both");
  const auto nics = Create().value();
  EXPECT_THAT(Numbers(*nics), ElementsAre(0, 2));
  EXPECT_EQ(nics->List()[1].mac, DefaultMac(OwnerIdentity(), "guest", 2));
  EXPECT_EQ(IdOf(3), kE1000);
  EXPECT_EQ(IdOf(4), kE1000);
  EXPECT_EQ(IdOf(5), kEmpty);
}

TEST_F(E1000NicsTest, MoreThanThereAreSlotsForIsAUsageError) {
  for (int i = 0; i < 6; ++i) {
    AddNic("e1000");
  }
  const auto nics = Create();
  ASSERT_FALSE(nics);
  EXPECT_EQ(nics.error().kind, ErrorKind::kUsage);
}

TEST_F(E1000NicsTest, ATwinsLinkIsThereForItsPvNicOnce) {
  AddNic("e1000");
  AddNic("both");
  const auto nics = Create().value();
  EXPECT_EQ(nics->TakeSharedLink(0), nullptr);
  EXPECT_NE(nics->TakeSharedLink(1), nullptr);
  EXPECT_EQ(nics->TakeSharedLink(1), nullptr);
}

TEST_F(E1000NicsTest, UnpluggingTakesTwinsOutOfTheirSlots) {
  AddNic("both");
  AddNic("e1000");
  const auto nics = Create().value();
  nics->Unplug(kUnplugAllDisks);
  EXPECT_THAT(Numbers(*nics), ElementsAre(0, 1));
  nics->Unplug(kUnplugAllNics);
  EXPECT_THAT(Numbers(*nics), ElementsAre(1));
  EXPECT_EQ(IdOf(3), kEmpty);
  EXPECT_EQ(IdOf(4), kE1000);
}

TEST_F(E1000NicsTest, WithoutPvNicsThereAreNoTwins) {
  config_.xen.pv.net = false;
  AddNic("both");
  const auto nics = Create().value();
  EXPECT_EQ(nics->TakeSharedLink(0), nullptr);
  nics->Unplug(kUnplugAllNics);
  EXPECT_THAT(Numbers(*nics), ElementsAre(0));
}

}  // namespace
}  // namespace veneer
