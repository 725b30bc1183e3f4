// The guest's grant table operations with their exact statuses.
#include <gtest/gtest.h>

#include "support/grant_guest.h"

namespace veneer {
namespace {

using testing::GrantGuest;

class GuestOps : public ::testing::Test {
 protected:
  GrantGuest guest_{GrantTable::Options{.max_frames = 16}};
  GrantTable& table_ = *guest_.table;
};

TEST_F(GuestOps, QuerySizeReportsGrowth) {
  EXPECT_EQ(table_.QuerySize(DOMID_SELF).frames, 1U);
  EXPECT_EQ(table_.QuerySize(kGuestDomId.value).max_frames, 16U);
  EXPECT_EQ(table_.QuerySize(0).status, GrantStatus::kPermissionDenied);
  EXPECT_EQ(table_.QuerySize(12).status, GrantStatus::kBadDomain);
  EXPECT_EQ(table_.SetupTable(DOMID_SELF, 5).status, GrantStatus::kOkay);
  EXPECT_EQ(table_.QuerySize(DOMID_SELF).frames, 5U);
  EXPECT_EQ(table_.SetupTable(DOMID_SELF, 2).status, GrantStatus::kOkay);
  EXPECT_EQ(table_.QuerySize(DOMID_SELF).frames, 5U);
}

TEST_F(GuestOps, SetupTableListsWhereFramesAre) {
  ASSERT_TRUE(table_.FrameForPhysmap(1));
  table_.NoteMapped(1, Gfn{0xf0001});
  const auto list = table_.SetupTable(DOMID_SELF, 3);
  EXPECT_EQ(list.status, GrantStatus::kOkay);
  EXPECT_EQ(list.frames,
            (std::vector<std::uint64_t>{~std::uint64_t{0}, 0xf0001, ~std::uint64_t{0}}));
  EXPECT_EQ(table_.SetupTable(DOMID_SELF, 17).status, GrantStatus::kGeneralError);
  EXPECT_EQ(table_.SetupTable(DOMID_SELF, 0xffffffff).status, GrantStatus::kGeneralError);
  EXPECT_EQ(table_.SetupTable(0, 1).status, GrantStatus::kPermissionDenied);
  EXPECT_EQ(table_.SetupTable(12, 1).status, GrantStatus::kBadDomain);
  EXPECT_TRUE(table_.SetupTable(DOMID_SELF, 17).frames.empty());
}

TEST_F(GuestOps, TheGuestCanMapNobodysGrants) {
  gnttab_map_grant_ref op{};
  const auto run = [&](std::uint32_t flags, std::uint16_t dom) {
    op.flags = flags;
    op.dom = dom;
    op.status = 99;
    table_.MapGrantRef(op);
    return GrantStatus{op.status};
  };
  EXPECT_EQ(run(0, 0), GrantStatus::kBadGntref);
  EXPECT_EQ(run(GNTMAP_device_map, 0), GrantStatus::kGeneralError);
  EXPECT_EQ(run(GNTMAP_host_map | GNTMAP_contains_pte, 0), GrantStatus::kGeneralError);
  EXPECT_EQ(run(GNTMAP_host_map | GNTMAP_application_map, 0), GrantStatus::kGeneralError);
  EXPECT_EQ(run(GNTMAP_host_map, 0), GrantStatus::kBadGntref);
  EXPECT_EQ(run(GNTMAP_host_map, 1), GrantStatus::kPermissionDenied);
  EXPECT_EQ(run(GNTMAP_host_map, DOMID_SELF), GrantStatus::kBadDomain);
  EXPECT_EQ(run(GNTMAP_host_map, 5), GrantStatus::kBadDomain);
  gnttab_unmap_grant_ref unmap{};
  table_.UnmapGrantRef(unmap);
  EXPECT_EQ(GrantStatus{unmap.status}, GrantStatus::kBadHandle);
  gnttab_unmap_and_replace replace{};
  table_.UnmapAndReplace(replace);
  EXPECT_EQ(GrantStatus{replace.status}, GrantStatus::kBadHandle);
}

TEST_F(GuestOps, SwapExchangesEntriesThatNobodyUses) {
  guest_.GrantV1(9, 3, GTF_permit_access | GTF_readonly);
  guest_.GrantV1(10, 4);
  EXPECT_EQ(table_.SwapGrantRef(GrantRef{9}, GrantRef{512}), GrantStatus::kBadGntref);
  EXPECT_EQ(table_.SwapGrantRef(GrantRef{0xffffffff}, GrantRef{9}), GrantStatus::kBadGntref);
  EXPECT_EQ(table_.SwapGrantRef(GrantRef{9}, GrantRef{10}), GrantStatus::kOkay);
  auto grant = table_.Map(GrantRef{9}, GrantAccess::kReadWrite);
  ASSERT_TRUE(grant);
  EXPECT_EQ(grant->page().data(), guest_.memory->Pin(Gpa{4 * kPageSize}, 1).data());
  EXPECT_EQ(table_.SwapGrantRef(GrantRef{9}, GrantRef{10}), GrantStatus::kEagain);
  EXPECT_EQ(table_.SwapGrantRef(GrantRef{10}, GrantRef{9}), GrantStatus::kEagain);
  EXPECT_EQ(table_.SwapGrantRef(GrantRef{9}, GrantRef{9}), GrantStatus::kOkay);
  grant->Release();
  EXPECT_EQ(table_.SwapGrantRef(GrantRef{10}, GrantRef{9}), GrantStatus::kOkay);
  EXPECT_EQ(guest_.FlagsV1(9).load(), GTF_permit_access | GTF_readonly);
}

TEST_F(GuestOps, CacheFlushIsRefusedAfterItsArgumentsAreChecked) {
  const auto error = [this](std::uint16_t offset, std::uint16_t length, std::uint32_t op) {
    gnttab_cache_flush flush{};
    flush.offset = offset;
    flush.length = length;
    flush.op = op;
    const auto result = table_.CacheFlush(flush);
    return result ? XenErrno{} : result.error();
  };
  EXPECT_EQ(error(4096, 0, 0), XEN_EINVAL);
  EXPECT_EQ(error(0, 4097, GNTTAB_CACHE_CLEAN), XEN_EINVAL);
  EXPECT_EQ(error(4095, 2, GNTTAB_CACHE_CLEAN), XEN_EINVAL);
  EXPECT_EQ(error(0, 1, GNTTAB_CACHE_SOURCE_GREF | GNTTAB_CACHE_CLEAN), XEN_EINVAL);
  EXPECT_EQ(error(0, 0, GNTTAB_CACHE_CLEAN), XenErrno{});
  EXPECT_EQ(error(0, 4096, 0), XenErrno{});
  EXPECT_EQ(error(0, 4096, GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL), XEN_EOPNOTSUPP);
}

TEST(GrantTableOptions, SenselessSizesAreRefused) {
  GrantGuest guest(GrantTable::Options{});
  const auto create = [&guest](std::uint32_t frames) {
    return GrantTable::Create(*guest.memory, guest.metrics, {.max_frames = frames}).has_value();
  };
  EXPECT_FALSE(create(0));
  EXPECT_TRUE(create(1));
  EXPECT_TRUE(create(GrantTable::kMaxFrames));
  EXPECT_FALSE(create(GrantTable::kMaxFrames + 1));
}

}  // namespace
}  // namespace veneer
