#include "veneer/xencompat/domain/secondary_time.h"

#include <array>
#include <cstring>
#include <memory>
#include <optional>

#include <gtest/gtest.h>

namespace veneer {
namespace {

class SecondaryTimeTest : public ::testing::Test {
 protected:
  void SetPrimary(std::uint32_t version, std::uint64_t system_time) {
    primary_.version = version;
    primary_.system_time = system_time;
  }
  void Refresh() { time_.Refresh(*memory_, std::as_bytes(std::span(&primary_, 1))); }
  vcpu_time_info_t Copy() { return *memory_->Read<vcpu_time_info_t>(Gpa{0x100}); }
  void Register() {
    time_.SetArea(GuestArea::Resolve(
        *memory_, [](std::uint64_t at) { return std::optional(Gpa{at}); }, 0x100,
        sizeof(vcpu_time_info_t)));
  }

  std::unique_ptr<GuestMemory> memory_ = std::move(*GuestMemory::CreateFlat(kPageSize));
  vcpu_time_info_t primary_{};
  SecondaryTime time_;
};

TEST_F(SecondaryTimeTest, CopiesWithAnEvenVersion) {
  Register();
  SetPrimary(6, 77);
  primary_.flags = XEN_PVCLOCK_TSC_STABLE_BIT;
  Refresh();
  EXPECT_EQ(Copy().version % 2, 0U);
  EXPECT_EQ(Copy().system_time, 77U);
  EXPECT_EQ(Copy().flags, XEN_PVCLOCK_TSC_STABLE_BIT);
}

TEST_F(SecondaryTimeTest, TheVersionMovesWithEachCopy) {
  Register();
  SetPrimary(6, 77);
  Refresh();
  const std::uint32_t first = Copy().version;
  SetPrimary(8, 78);
  Refresh();
  EXPECT_NE(Copy().version, first);
  EXPECT_EQ(Copy().version % 2, 0U);
  EXPECT_EQ(Copy().system_time, 78U);
}

TEST_F(SecondaryTimeTest, WaitsForAStablePrimary) {
  Register();
  SetPrimary(7, 77);
  Refresh();
  EXPECT_EQ(Copy().system_time, 0U);
}

TEST_F(SecondaryTimeTest, WritesNothingUnregistered) {
  SetPrimary(6, 77);
  Refresh();
  EXPECT_EQ(Copy().version, 0U);
  Register();
  Refresh();
  EXPECT_EQ(Copy().system_time, 77U);
  time_.SetArea(std::nullopt);
  SetPrimary(8, 78);
  Refresh();
  EXPECT_EQ(Copy().system_time, 77U);
}

TEST_F(SecondaryTimeTest, NeedsAWholePrimary) {
  Register();
  SetPrimary(6, 77);
  time_.Refresh(*memory_, std::as_bytes(std::span(&primary_, 1)).first(31));
  EXPECT_EQ(Copy().version, 0U);
}

}  // namespace
}  // namespace veneer
