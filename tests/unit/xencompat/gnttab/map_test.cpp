// Mapping of grants by back-ends: who may map what, which flags the guest sees, and limits.
#include <array>

#include <gtest/gtest.h>

#include "support/grant_guest.h"
#include "veneer/xencompat/gnttab/pinned_grants.h"

namespace veneer {
namespace {

using testing::GrantGuest;

constexpr auto kRead = GrantAccess::kRead;
constexpr auto kReadWrite = GrantAccess::kReadWrite;

class MapGrants : public ::testing::TestWithParam<std::uint32_t> {
 protected:
  MapGrants() { EXPECT_EQ(table_.SetVersion(GetParam()), GetParam()); }

  void Grant(std::uint32_t ref, std::uint64_t frame, std::uint32_t flags = GTF_permit_access,
             std::uint16_t domid = kHostDomId.value) {
    GetParam() == 1 ? guest_.GrantV1(ref, frame, flags, domid)
                    : guest_.GrantV2(ref, frame, flags, domid);
  }
  // GTF_reading and GTF_writing as the guest sees them.
  std::uint32_t InUse(std::uint32_t ref) {
    const std::uint32_t word =
        GetParam() == 1 ? guest_.FlagsV1(ref).load() : guest_.StatusV2(ref).load();
    return word & (GTF_reading | GTF_writing);
  }
  void Revoke(std::uint32_t ref) {
    (GetParam() == 1 ? guest_.FlagsV1(ref) : guest_.FlagsV2(ref))
        .fetch_and(static_cast<std::uint16_t>(~(GTF_type_mask)));
  }
  GrantStatus Status(std::uint32_t ref, GrantAccess access) {
    const auto grant = table_.Map(GrantRef{ref}, access);
    return grant ? GrantStatus::kOkay : grant.error();
  }

  GrantGuest guest_{GrantTable::Options{.max_frames = 4, .max_mappings = 5}};
  GrantTable& table_ = *guest_.table;
};

INSTANTIATE_TEST_SUITE_P(Versions, MapGrants, ::testing::Values(1, 2),
                         [](const auto& version) { return fmt::format("V{}", version.param); });

TEST_P(MapGrants, AMappingIsTheGuestsPageAndIsVisibleInTheEntry) {
  Grant(9, 3);
  ASSERT_TRUE(guest_.memory->Write<std::uint32_t>(Gpa{3 * kPageSize + 8}, 0xfeedU));
  {
    auto grant = table_.Map(GrantRef{9}, kReadWrite);
    ASSERT_TRUE(grant);
    EXPECT_EQ(grant->page().size(), kPageSize);
    EXPECT_EQ(grant->page().data(), guest_.memory->Pin(Gpa{3 * kPageSize}, 1).data());
    EXPECT_EQ(InUse(9), GTF_reading | GTF_writing);
    EXPECT_EQ(table_.mappings(), 1U);
  }
  EXPECT_EQ(InUse(9), 0U);
  EXPECT_EQ(table_.mappings(), 0U);
}

TEST_P(MapGrants, WhatIsNotGrantedIsRefusedAndLeavesNoTrace) {
  EXPECT_EQ(Status(10, kRead), GrantStatus::kGeneralError);  // empty entry
  Grant(11, 3, GTF_permit_access, 7);                        // somebody else's
  EXPECT_EQ(Status(11, kRead), GrantStatus::kGeneralError);
  Grant(12, 3, GTF_permit_access | GTF_readonly);
  EXPECT_EQ(Status(12, kReadWrite), GrantStatus::kGeneralError);
  EXPECT_EQ(Status(12, kRead), GrantStatus::kOkay);
  Grant(13, 3, GTF_accept_transfer);
  EXPECT_EQ(Status(13, kRead), GrantStatus::kGeneralError);
  Grant(14, 3, GTF_transitive);
  EXPECT_EQ(Status(14, kRead), GrantStatus::kGeneralError);
  Grant(15, 3, GTF_permit_access | GTF_sub_page);
  EXPECT_EQ(Status(15, kRead), GrantStatus::kGeneralError);
  for (std::uint32_t ref = 10; ref < 16; ++ref) {
    EXPECT_EQ(InUse(ref), 0U) << ref;
  }
}

TEST_P(MapGrants, ReferencesBeyondTheTableAreBad) {
  const std::uint32_t entries = GetParam() == 1 ? 512 : 256;
  Grant(entries, 3);  // in a frame the table has not grown to yet
  EXPECT_EQ(Status(entries, kRead), GrantStatus::kBadGntref);
  EXPECT_EQ(Status(0xffffffff, kRead), GrantStatus::kBadGntref);
  Grant(entries - 1, 3);
  EXPECT_EQ(Status(entries - 1, kRead), GrantStatus::kOkay);
  EXPECT_EQ(table_.SetupTable(DOMID_SELF, 2).status, GrantStatus::kOkay);
  EXPECT_EQ(Status(entries, kRead), GrantStatus::kOkay);
}

TEST_P(MapGrants, FramesOutsideRamAreBadPages) {
  Grant(9, GrantGuest::kPages);
  EXPECT_EQ(Status(9, kReadWrite), GrantStatus::kBadPage);
  EXPECT_EQ(InUse(9), 0U);
  Grant(9, 0xffffffff);
  EXPECT_EQ(Status(9, kRead), GrantStatus::kBadPage);
  Grant(9, GrantGuest::kPages - 1);
  EXPECT_EQ(Status(9, kRead), GrantStatus::kOkay);
}

TEST_P(MapGrants, FlagsFollowTheLastReaderAndTheLastWriter) {
  Grant(9, 3);
  auto reader = table_.Map(GrantRef{9}, kRead);
  EXPECT_EQ(InUse(9), GTF_reading);
  auto writer = table_.Map(GrantRef{9}, kReadWrite);
  auto second = table_.Map(GrantRef{9}, kReadWrite);
  EXPECT_EQ(InUse(9), GTF_reading | GTF_writing);
  writer->Release();
  writer->Release();  // has no effect
  EXPECT_FALSE(writer->valid());
  EXPECT_TRUE(writer->page().empty());
  EXPECT_EQ(InUse(9), GTF_reading | GTF_writing);
  second->Release();
  EXPECT_EQ(InUse(9), GTF_reading);
  reader->Release();
  EXPECT_EQ(InUse(9), 0U);
}

TEST_P(MapGrants, AGuestThatRevokesWhileMappedKeepsItMapped) {
  Grant(9, 3);
  auto reader = table_.Map(GrantRef{9}, kRead);
  ASSERT_TRUE(reader);
  Revoke(9);
  // As in Xen: whoever shares the access in use gets the page that was checked.
  auto again = table_.Map(GrantRef{9}, kRead);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->page().data(), reader->page().data());
  reader->Release();
  again->Release();
  EXPECT_EQ(Status(9, kRead), GrantStatus::kGeneralError);
}

TEST_P(MapGrants, AFrameRewrittenWhileMappedIsNotLookedAt) {
  Grant(9, 3);
  auto writer = table_.Map(GrantRef{9}, kReadWrite);
  Grant(9, 0xfffffff0);
  auto again = table_.Map(GrantRef{9}, kReadWrite);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->page().data(), writer->page().data());
}

TEST_P(MapGrants, WriteAccessOnTopOfReadAccessNeedsPermission) {
  Grant(9, 3, GTF_permit_access | GTF_readonly);
  auto reader = table_.Map(GrantRef{9}, kRead);
  ASSERT_TRUE(reader);
  EXPECT_EQ(Status(9, kReadWrite), GrantStatus::kGeneralError);
  EXPECT_EQ(InUse(9), GTF_reading);
  (GetParam() == 1 ? guest_.FlagsV1(9) : guest_.FlagsV2(9))
      .fetch_and(static_cast<std::uint16_t>(~GTF_readonly));
  EXPECT_EQ(Status(9, kReadWrite), GrantStatus::kOkay);
  EXPECT_EQ(InUse(9), GTF_reading);
}

TEST_P(MapGrants, ABatchIsAllOrNothingWhicheverMemberIsBad) {
  const std::array refs{GrantRef{20}, GrantRef{21}, GrantRef{22}, GrantRef{20}};
  for (std::size_t bad = 0; bad < 3; ++bad) {
    for (std::uint32_t ref = 20; ref < 23; ++ref) {
      Grant(ref, ref);
    }
    Grant(refs[bad].value, 5, GTF_permit_access, 3);
    std::vector<PinnedGrant> grants;
    EXPECT_EQ(table_.MapMany(refs, kRead, grants), GrantStatus::kGeneralError);
    EXPECT_TRUE(grants.empty());
    for (const GrantRef ref : refs) {
      EXPECT_EQ(InUse(ref.value), 0U);
    }
    EXPECT_EQ(table_.mappings(), 0U);
  }
  for (std::uint32_t ref = 20; ref < 23; ++ref) {
    Grant(ref, ref);
  }
  std::vector<PinnedGrant> grants;
  ASSERT_EQ(table_.MapMany(refs, kReadWrite, grants), GrantStatus::kOkay);
  ASSERT_EQ(grants.size(), 4U);
  EXPECT_EQ(grants[3].page().data(), grants[0].page().data());
  EXPECT_EQ(grants[1].page().data(), guest_.memory->Pin(Gpa{21 * kPageSize}, 1).data());
  grants[1].Release();
  table_.ReleaseMany(grants);
  EXPECT_TRUE(grants.empty());
  EXPECT_EQ(table_.mappings(), 0U);
  EXPECT_EQ(InUse(20), 0U);
  EXPECT_EQ(table_.MapMany({}, kRead, grants), GrantStatus::kOkay);
}

TEST_P(MapGrants, PagesMappedTogetherAreGivenBackInOrder) {
  for (std::uint32_t ref = 20; ref < 23; ++ref) {
    Grant(ref, ref + 10);
  }
  const auto page = [this](std::uint64_t gfn) {
    return guest_.memory->Pin(Gpa{gfn * kPageSize}, 1).data();
  };
  {
    PinnedGrants grants(table_, kRead);
    ASSERT_EQ(grants.Map(std::array{GrantRef{20}, GrantRef{21}}), GrantStatus::kOkay);
    EXPECT_EQ(grants.Map(std::array{GrantRef{22}, GrantRef{99}}), GrantStatus::kGeneralError);
    EXPECT_EQ(grants.pages().size(), 2U) << "none of them, and those before are still held";
    EXPECT_EQ(InUse(22), 0U);
    ASSERT_EQ(grants.Map(std::array{GrantRef{22}, GrantRef{20}}), GrantStatus::kOkay);
    ASSERT_EQ(grants.pages().size(), 4U);
    EXPECT_EQ(table_.mappings(), 4U);
    grants.Release(2);
    EXPECT_EQ(InUse(20), GTF_reading) << "once more at the end";
    EXPECT_EQ(InUse(21), 0U);
    ASSERT_EQ(grants.pages().size(), 2U);
    EXPECT_EQ(grants.pages()[0], page(32));
    EXPECT_EQ(grants.pages()[1], page(30));
    EXPECT_EQ(table_.mappings(), 2U);
  }
  EXPECT_EQ(table_.mappings(), 0U);
  EXPECT_EQ(InUse(20), 0U);
  EXPECT_EQ(InUse(22), 0U);
}

TEST_P(MapGrants, TheNumberOfMappingsIsBounded) {
  Grant(9, 3);
  std::vector<PinnedGrant> grants;
  for (int i = 0; i < 5; ++i) {
    auto grant = table_.Map(GrantRef{9}, kRead);
    ASSERT_TRUE(grant);
    grants.push_back(std::move(*grant));
  }
  EXPECT_EQ(Status(9, kRead), GrantStatus::kNoSpace);
  grants.pop_back();
  EXPECT_EQ(Status(9, kRead), GrantStatus::kOkay);
  const std::array two{GrantRef{9}, GrantRef{9}};
  EXPECT_EQ(table_.MapMany(two, kRead, grants), GrantStatus::kNoSpace);
}

TEST_P(MapGrants, MovingAMappingMovesTheDutyToReleaseIt) {
  Grant(9, 3);
  Grant(10, 4);
  PinnedGrant first = std::move(*table_.Map(GrantRef{9}, kRead));
  PinnedGrant second = std::move(*table_.Map(GrantRef{10}, kRead));
  first = std::move(second);
  EXPECT_EQ(InUse(9), 0U);
  EXPECT_EQ(InUse(10), GTF_reading);
  EXPECT_EQ(first.ref(), GrantRef{10});
  EXPECT_FALSE(second.valid());
  EXPECT_EQ(table_.mappings(), 1U);
}

TEST(SeededGrants, ReservedEntriesAreThereForTheBackEnds) {
  GrantGuest guest(GrantTable::Options{});
  guest.table->SeedReserved(GrantRef{GNTTAB_RESERVED_XENSTORE}, Gfn{7});
  const auto grant = guest.table->Map(GrantRef{GNTTAB_RESERVED_XENSTORE}, kReadWrite);
  ASSERT_TRUE(grant);
  EXPECT_EQ(grant->page().data(), guest.memory->Pin(Gpa{7 * kPageSize}, 1).data());
}

TEST(GrantTexts, EveryStatusHasOne) {
  EXPECT_EQ(GrantStatusText(GrantStatus::kOkay), "okay");
  EXPECT_EQ(GrantStatusText(GrantStatus::kNoSpace), "out of space");
  EXPECT_EQ(GrantStatusText(GrantStatus{-14}), "unknown status");
  EXPECT_EQ(GrantStatusText(GrantStatus{1}), "unknown status");
}

}  // namespace
}  // namespace veneer
