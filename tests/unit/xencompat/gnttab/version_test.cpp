// Switching between the two versions of the table.
#include <gtest/gtest.h>

#include "support/grant_guest.h"

namespace veneer {
namespace {

using testing::GrantGuest;

class Versions : public ::testing::Test {
 protected:
  XenErrno Error(std::uint32_t version) {
    const auto result = table_.SetVersion(version);
    return result ? XenErrno{} : result.error();
  }
  GrantGuest guest_{GrantTable::Options{.max_frames = 4}};
  GrantTable& table_ = *guest_.table;
};

TEST_F(Versions, OnlyOneAndTwoExist) {
  EXPECT_EQ(table_.GetVersion(DOMID_SELF), 1U);
  EXPECT_EQ(Error(0), XEN_EINVAL);
  EXPECT_EQ(Error(3), XEN_EINVAL);
  EXPECT_EQ(Error(0xffffffff), XEN_EINVAL);
  EXPECT_EQ(table_.SetVersion(1), 1U);
  EXPECT_EQ(table_.SetVersion(2), 2U);
  EXPECT_EQ(table_.GetVersion(kGuestDomId.value), 2U);
  EXPECT_EQ(table_.GetVersion(0).error(), XEN_EPERM);
  EXPECT_EQ(table_.GetVersion(8).error(), XEN_ESRCH);
}

TEST_F(Versions, TwoMayBeSwitchedOff) {
  GrantGuest plain(GrantTable::Options{.version_2 = false});
  EXPECT_EQ(plain.table->SetVersion(2).error(), XEN_ENOSYS);
  EXPECT_EQ(plain.table->SetVersion(1), 1U);
}

TEST_F(Versions, AMappedEntryRefusesTheSwitch) {
  guest_.GrantV1(8, 3);
  auto grant = table_.Map(GrantRef{8}, GrantAccess::kRead);
  EXPECT_EQ(Error(2), XEN_EBUSY);
  EXPECT_EQ(table_.SetVersion(1), 1U);  // no switch
  grant->Release();
  EXPECT_EQ(table_.SetVersion(2), 2U);
}

TEST_F(Versions, OldEntriesAreGoneButReservedOnesStay) {
  table_.SeedReserved(GrantRef{1}, Gfn{7});
  guest_.GrantV1(20, 3);
  auto store = table_.Map(GrantRef{1}, GrantAccess::kReadWrite);
  ASSERT_EQ(table_.SetVersion(2), 2U);
  // The mapping made before is still counted and its flags have moved.
  EXPECT_EQ(guest_.StatusV2(1).load(), GTF_reading | GTF_writing);
  EXPECT_EQ(guest_.FlagsV2(1).load(), GTF_permit_access);
  EXPECT_EQ(guest_.Word(1 * 16 + 8).load(), 7U);
  EXPECT_EQ(table_.Map(GrantRef{20}, GrantAccess::kRead).error(), GrantStatus::kGeneralError);
  ASSERT_EQ(table_.SetVersion(1), 1U);
  EXPECT_EQ(guest_.FlagsV1(1).load(), GTF_permit_access | GTF_reading | GTF_writing);
  store->Release();
  EXPECT_EQ(guest_.FlagsV1(1).load(), GTF_permit_access);
}

TEST_F(Versions, ReservedEntriesThatVersion1CannotExpressRefuseTheWayBack) {
  ASSERT_EQ(table_.SetVersion(2), 2U);
  guest_.GrantV2(3, std::uint64_t{1} << 32U);
  EXPECT_EQ(Error(1), XEN_ERANGE);
  guest_.GrantV2(3, 3, GTF_transitive);
  EXPECT_EQ(Error(1), XEN_ERANGE);
  guest_.GrantV2(3, 3, GTF_accept_transfer);
  ASSERT_EQ(table_.SetVersion(1), 1U);
  EXPECT_EQ(guest_.Word(3 * 8).load(), 0U);
}

TEST_F(Versions, EntriesBeyondTheSmallerTableAreOutOfReach) {
  ASSERT_EQ(table_.SetVersion(2), 2U);
  EXPECT_EQ(table_.Map(GrantRef{256}, GrantAccess::kRead).error(), GrantStatus::kBadGntref);
  ASSERT_EQ(table_.SetVersion(1), 1U);
  guest_.GrantV1(511, 3);
  EXPECT_TRUE(table_.Map(GrantRef{511}, GrantAccess::kRead));
}

TEST_F(Versions, ANewGuestFindsAnEmptyTableOfVersionOne) {
  ASSERT_EQ(table_.SetVersion(2), 2U);
  EXPECT_EQ(table_.SetupTable(DOMID_SELF, 3).status, GrantStatus::kOkay);
  table_.NoteMapped(0, Gfn{9});
  guest_.GrantV2(20, 3);
  table_.Map(GrantRef{20}, GrantAccess::kReadWrite)->Release();

  table_.StartOver();
  EXPECT_EQ(table_.GetVersion(DOMID_SELF), 1U);
  EXPECT_EQ(table_.QuerySize(DOMID_SELF).frames, 1U);
  EXPECT_EQ(table_.FrameForPhysmap(0)->mapped_at, std::nullopt);
  for (std::uint32_t ref = 0; ref < 512; ++ref) {
    EXPECT_EQ(guest_.Word(ref * 8).load(), 0U) << ref;
  }
  table_.SeedReserved(GrantRef{1}, Gfn{7});
  EXPECT_TRUE(table_.Map(GrantRef{1}, GrantAccess::kReadWrite).has_value());
}

}  // namespace
}  // namespace veneer
