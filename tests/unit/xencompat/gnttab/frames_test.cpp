// Where the table's frames are laid: growth by index, limits, and what is noted about places.
#include <gtest/gtest.h>

#include "support/grant_guest.h"

namespace veneer {
namespace {

using testing::GrantGuest;

constexpr std::uint64_t kStatus = XENMAPIDX_grant_table_status;

TEST(GrantFrames, TheTableGrowsToTheIndexAskedFor) {
  GrantGuest guest(GrantTable::Options{.max_frames = 16});
  const auto frame = guest.table->FrameForPhysmap(7);
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->index, 7U);
  EXPECT_EQ(frame->pages->pages(), 16U);
  EXPECT_EQ(frame->mapped_at, std::nullopt);
  EXPECT_EQ(guest.table->QuerySize(DOMID_SELF).frames, 8U);
  EXPECT_TRUE(guest.table->FrameForPhysmap(15));
  for (const std::uint64_t bad : {std::uint64_t{16}, kStatus, kStatus | 1U, std::uint64_t{1} << 32U,
                                  (std::uint64_t{1} << 32U) | 1U, ~std::uint64_t{0}}) {
    EXPECT_EQ(guest.table->FrameForPhysmap(bad).error(), XEN_EINVAL) << bad;
  }
}

TEST(GrantFrames, StatusFramesExistInVersion2Only) {
  GrantGuest guest(GrantTable::Options{.max_frames = 16});
  ASSERT_EQ(guest.table->SetVersion(2), 2U);
  const auto first = guest.table->FrameForPhysmap(kStatus);
  ASSERT_TRUE(first);
  EXPECT_NE(first->pages, guest.table->FrameForPhysmap(0)->pages);
  EXPECT_EQ(guest.table->QuerySize(DOMID_SELF).frames, 1U);
  const auto second = guest.table->FrameForPhysmap(kStatus | 1U);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->index, 1U);
  EXPECT_EQ(guest.table->QuerySize(DOMID_SELF).frames, 16U);
  EXPECT_EQ(guest.table->FrameForPhysmap(kStatus | 2U).error(), XEN_EINVAL);
  EXPECT_EQ(guest.table->FrameForPhysmap(~std::uint64_t{0}).error(), XEN_EINVAL);
}

TEST(GrantFrames, GetStatusFramesListsPlaces) {
  GrantGuest guest(GrantTable::Options{.max_frames = 16});
  EXPECT_EQ(guest.table->GetStatusFrames(DOMID_SELF, 1).status, GrantStatus::kGeneralError);
  EXPECT_EQ(guest.table->GetStatusFrames(DOMID_SELF, 0).status, GrantStatus::kOkay);
  ASSERT_EQ(guest.table->SetVersion(2), 2U);
  ASSERT_TRUE(guest.table->FrameForPhysmap(kStatus));
  guest.table->NoteMapped(kStatus, Gfn{77});
  const auto list = guest.table->GetStatusFrames(DOMID_SELF, 1);
  EXPECT_EQ(list.status, GrantStatus::kOkay);
  EXPECT_EQ(list.frames, std::vector<std::uint64_t>{77});
  EXPECT_EQ(guest.table->GetStatusFrames(DOMID_SELF, 2).status, GrantStatus::kGeneralError);
  EXPECT_EQ(guest.table->GetStatusFrames(0, 1).status, GrantStatus::kPermissionDenied);
  EXPECT_EQ(guest.table->GetStatusFrames(12, 1).status, GrantStatus::kBadDomain);
}

TEST(GrantFrames, PlacesAreRememberedAndForgotten) {
  GrantGuest guest(GrantTable::Options{.max_frames = 4});
  guest.table->NoteMapped(2, Gfn{50});
  EXPECT_EQ(guest.table->FrameForPhysmap(2)->mapped_at, Gfn{50});
  guest.table->NoteMapped(2, Gfn{51});
  EXPECT_FALSE(guest.table->NoteUnmapped(Gfn{50}));
  EXPECT_TRUE(guest.table->NoteUnmapped(Gfn{51}));
  EXPECT_FALSE(guest.table->NoteUnmapped(Gfn{51}));
  EXPECT_EQ(guest.table->FrameForPhysmap(2)->mapped_at, std::nullopt);
  guest.table->NoteMapped(~std::uint64_t{0}, Gfn{1});  // of no frame: nothing
  EXPECT_FALSE(guest.table->NoteUnmapped(Gfn{1}));
}

}  // namespace
}  // namespace veneer
