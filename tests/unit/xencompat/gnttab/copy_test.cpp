// Copies through grants: by back-ends, and GNTTABOP_copy by the guest.
#include <array>

#include <gtest/gtest.h>

#include "support/grant_guest.h"

namespace veneer {
namespace {

using testing::GrantGuest;

class HostCopy : public ::testing::Test {
 protected:
  GrantStatus From(std::uint32_t ref, std::uint32_t offset, std::size_t length) {
    buffer_.resize(length);
    return table_.CopyFrom(GrantRef{ref}, offset, buffer_);
  }

  GrantGuest guest_{GrantTable::Options{.max_frames = 2}};
  GrantTable& table_ = *guest_.table;
  std::vector<std::byte> buffer_;
};

TEST_F(HostCopy, MovesBytesAndLeavesNoFlags) {
  guest_.GrantV1(9, 3);
  ASSERT_TRUE(guest_.memory->Write<std::uint32_t>(Gpa{3 * kPageSize + 4092}, 0x01020304U));
  EXPECT_EQ(From(9, 4092, 4), GrantStatus::kOkay);
  EXPECT_EQ(buffer_[0], std::byte{4});
  EXPECT_EQ(guest_.FlagsV1(9).load(), GTF_permit_access);
}

TEST_F(HostCopy, RangesEndAtThePage) {
  guest_.GrantV1(9, 3);
  EXPECT_EQ(From(9, 0, kPageSize), GrantStatus::kOkay);
  EXPECT_EQ(From(9, 1, kPageSize), GrantStatus::kBadCopyArg);
  EXPECT_EQ(From(9, kPageSize, 0), GrantStatus::kOkay);
  EXPECT_EQ(From(9, kPageSize, 1), GrantStatus::kBadCopyArg);
}

TEST_F(HostCopy, ErrorsAreThoseOfTheGrant) {
  guest_.GrantV1(9, 3, GTF_permit_access | GTF_readonly);
  EXPECT_EQ(From(9, 0, 4), GrantStatus::kOkay);
  EXPECT_EQ(From(700, 0, 4), GrantStatus::kBadGntref);
  guest_.GrantV1(10, GrantGuest::kPages);
  EXPECT_EQ(From(10, 0, 4), GrantStatus::kBadPage);
  guest_.GrantV1(11, 3, GTF_transitive);
  EXPECT_EQ(From(11, 0, 4), GrantStatus::kGeneralError);
}

TEST_F(HostCopy, SubPageGrantsAllowTheirPartOnly) {
  ASSERT_EQ(table_.SetVersion(2), 2U);
  guest_.GrantV2(9, 3, GTF_permit_access | GTF_sub_page, kHostDomId.value, 100, 50);
  EXPECT_EQ(From(9, 100, 50), GrantStatus::kOkay);
  EXPECT_EQ(From(9, 99, 1), GrantStatus::kGeneralError);
  EXPECT_EQ(From(9, 100, 51), GrantStatus::kGeneralError);
  EXPECT_EQ(guest_.StatusV2(9).load(), 0U);
  // A length beyond the page is bounded by the page.
  guest_.GrantV2(9, 3, GTF_permit_access | GTF_sub_page, kHostDomId.value, 4000, 0xffff);
  EXPECT_EQ(From(9, 4000, 96), GrantStatus::kOkay);
  EXPECT_EQ(From(9, 4000, 97), GrantStatus::kBadCopyArg);
  guest_.GrantV2(9, 3, GTF_transitive);
  EXPECT_EQ(From(9, 0, 4), GrantStatus::kGeneralError);
  EXPECT_EQ(guest_.StatusV2(9).load(), 0U);
}

class GuestCopy : public ::testing::Test {
 protected:
  GuestCopy() {
    for (std::uint64_t word = 0; word < kPageSize / 4; ++word) {
      EXPECT_TRUE(
          guest_.memory->Write(Gpa{3 * kPageSize + word * 4}, static_cast<std::uint32_t>(word)));
    }
    op_.source.domid = DOMID_SELF;
    op_.source.u.gmfn = 3;
    op_.dest.domid = DOMID_SELF;
    op_.dest.u.gmfn = 4;
    op_.len = 64;
  }
  GrantStatus Run() {
    op_.status = 99;
    table_.Copy(op_);
    return GrantStatus{op_.status};
  }

  GrantGuest guest_{GrantTable::Options{.max_frames = 2}};
  GrantTable& table_ = *guest_.table;
  gnttab_copy op_{};
};

TEST_F(GuestCopy, BetweenItsOwnPages) {
  op_.source.offset = 4;
  op_.dest.offset = 4032;
  EXPECT_EQ(Run(), GrantStatus::kOkay);
  EXPECT_EQ(guest_.memory->Read<std::uint32_t>(Gpa{4 * kPageSize + 4032}), 1U);
  EXPECT_EQ(guest_.memory->Read<std::uint32_t>(Gpa{4 * kPageSize + 4092}), 16U);
  // Overlapping within one page.
  op_.dest = op_.source;
  op_.dest.offset = 8;
  EXPECT_EQ(Run(), GrantStatus::kOkay);
  EXPECT_EQ(guest_.memory->Read<std::uint32_t>(Gpa{3 * kPageSize + 12}), 2U);
}

TEST_F(GuestCopy, EndsMustStayInTheirPages) {
  op_.source.offset = 4033;
  EXPECT_EQ(Run(), GrantStatus::kBadCopyArg);
  op_.source.offset = 0;
  op_.dest.offset = 4033;
  EXPECT_EQ(Run(), GrantStatus::kBadCopyArg);
  op_.dest.offset = 0xffff;
  op_.len = 0xffff;
  EXPECT_EQ(Run(), GrantStatus::kBadCopyArg);
  op_.dest.offset = 0;
  op_.len = kPageSize;
  EXPECT_EQ(Run(), GrantStatus::kOkay);
}

TEST_F(GuestCopy, FramesAreOnesOwnAndRam) {
  op_.source.domid = kGuestDomId.value;
  EXPECT_EQ(Run(), GrantStatus::kPermissionDenied);  // frames only as DOMID_SELF
  op_.source.domid = 0;
  EXPECT_EQ(Run(), GrantStatus::kPermissionDenied);
  op_.source.domid = DOMID_SELF;
  op_.source.u.gmfn = GrantGuest::kPages;
  EXPECT_EQ(Run(), GrantStatus::kBadPage);
  op_.source.u.gmfn = ~0UL;
  EXPECT_EQ(Run(), GrantStatus::kBadPage);
  op_.source.u.gmfn = 3;
  op_.dest.u.gmfn = ~0UL;
  EXPECT_EQ(Run(), GrantStatus::kBadPage);
}

TEST_F(GuestCopy, ThroughItsOwnGrantsToItself) {
  guest_.GrantV1(9, 3, GTF_permit_access | GTF_readonly, kGuestDomId.value);
  guest_.GrantV1(10, 5, GTF_permit_access, kGuestDomId.value);
  guest_.GrantV1(11, 5, GTF_permit_access, kHostDomId.value);
  op_.flags = GNTCOPY_source_gref | GNTCOPY_dest_gref;
  op_.source.u.ref = 9;
  op_.dest.u.ref = 10;
  EXPECT_EQ(Run(), GrantStatus::kOkay);
  EXPECT_EQ(guest_.memory->Read<std::uint32_t>(Gpa{5 * kPageSize + 60}), 15U);
  op_.dest.u.ref = 9;
  EXPECT_EQ(Run(), GrantStatus::kGeneralError);  // read-only
  op_.dest.u.ref = 11;
  EXPECT_EQ(Run(), GrantStatus::kGeneralError);  // granted to somebody else
  op_.dest.u.ref = 512;
  EXPECT_EQ(Run(), GrantStatus::kBadGntref);
  op_.dest.domid = 0;
  op_.dest.u.ref = 1;
  EXPECT_EQ(Run(), GrantStatus::kBadGntref);  // domain 0 grants nothing
  op_.dest.domid = 6;
  EXPECT_EQ(Run(), GrantStatus::kBadDomain);
  EXPECT_EQ(guest_.FlagsV1(9).load(), GTF_permit_access | GTF_readonly);
  EXPECT_EQ(guest_.FlagsV1(10).load(), GTF_permit_access);
}

}  // namespace
}  // namespace veneer
