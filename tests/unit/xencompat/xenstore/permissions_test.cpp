// Who may do what, and who may not even know.
#include "store_fixture.h"

namespace veneer::test {
namespace {

constexpr DomId kOther{2};

class StorePermissions : public StoreFixture {
 protected:
  StorePermissions() { other = store.Open(kOther, true, other_sink); }
  void Give(std::string_view path, const XsPermissions& permissions) {
    EXPECT_EQ(ErrorOf(store.SetPermissions(*host, 0, path, permissions)), "");
  }
  XsPermissions Of(std::string_view path) { return *store.GetPermissions(*host, 0, path); }

  RecordingSink other_sink;
  std::unique_ptr<StoreSession> other;
};

TEST_F(StorePermissions, EveryKindOfAccessAllowsExactlyItsRequests) {
  struct Case {
    XsAccess access;
    const char* read;
    const char* write;
  };
  const Case cases[] = {{XsAccess::kNone, "EACCES", "EACCES"},
                        {XsAccess::kRead, "", "EACCES"},
                        {XsAccess::kWrite, "EACCES", ""},
                        {XsAccess::kBoth, "", ""}};
  for (const Case& c : cases) {
    for (const bool listed : {true, false}) {
      Put("/n/child", "");
      Give("/n", listed ? XsShared(kHostDomId, kGuestDomId, c.access)
                        : XsPermissions{{kHostDomId, c.access}});
      EXPECT_EQ(ErrorOf(store.Read(*guest, 0, "/n")), c.read);
      EXPECT_EQ(ErrorOf(store.Directory(*guest, 0, "/n")), c.read);
      EXPECT_EQ(ErrorOf(store.GetPermissions(*guest, 0, "/n")), c.read);
      EXPECT_EQ(ErrorOf(store.Write(*guest, 0, "/n", "v")), c.write);
      EXPECT_EQ(ErrorOf(store.Mkdir(*guest, 0, "/n")), c.write);
      EXPECT_EQ(ErrorOf(store.Mkdir(*guest, 0, "/n/new/deep")), c.write);
      EXPECT_EQ(ErrorOf(store.SetPermissions(*guest, 0, "/n", XsPrivate(kGuestDomId))), "EACCES");
      EXPECT_EQ(ErrorOf(store.Remove(*guest, 0, "/n")), c.write);
    }
  }
}

TEST_F(StorePermissions, AnEntryOfItsOwnBeatsTheDefault) {
  Put("/n", "v");
  Give("/n", {{kHostDomId, XsAccess::kBoth}, {kGuestDomId, XsAccess::kNone}});
  EXPECT_EQ(ErrorOf(store.Read(*guest, 0, "/n")), "EACCES");
  EXPECT_EQ(ErrorOf(store.Read(*other, 0, "/n")), "");
}

TEST_F(StorePermissions, TheOwnerMayDoEverythingWhateverTheListSays) {
  Put("/n", "v");
  Give("/n", {{kGuestDomId, XsAccess::kNone}, {kGuestDomId, XsAccess::kNone}});
  EXPECT_EQ(ErrorOf(store.Read(*guest, 0, "/n")), "");
  EXPECT_EQ(ErrorOf(store.Write(*guest, 0, "/n", "w")), "");
  EXPECT_EQ(ErrorOf(store.SetPermissions(*guest, 0, "/n", {{kGuestDomId, XsAccess::kRead}})), "");
  EXPECT_EQ(ErrorOf(store.Read(*other, 0, "/n")), "");
}

TEST_F(StorePermissions, DomainZeroMayDoEverything) {
  ASSERT_TRUE(store.Write(*guest, 0, "mine", "v"));
  EXPECT_EQ(Value("/local/domain/1/mine"), "v");
  EXPECT_EQ(ErrorOf(store.Write(*host, 0, "/local/domain/1/mine", "w")), "");
  EXPECT_EQ(ErrorOf(store.Remove(*host, 0, "/local/domain/1/mine")), "");
}

TEST_F(StorePermissions, OnlyDomainZeroGivesNodesAway) {
  ASSERT_TRUE(store.Write(*guest, 0, "mine", "v"));
  EXPECT_EQ(ErrorOf(store.SetPermissions(*guest, 0, "mine", XsPrivate(kOther))), "EPERM");
  EXPECT_EQ(ErrorOf(store.SetPermissions(*guest, 0, "mine", XsPrivate(kHostDomId))), "EPERM");
  Give("/local/domain/1/mine", XsPrivate(kOther));
  EXPECT_EQ(ErrorOf(store.Read(*guest, 0, "mine")), "EACCES");
  EXPECT_EQ(ErrorOf(store.Read(*other, 0, "/local/domain/1/mine")), "");
}

TEST_F(StorePermissions, NewNodesInheritButBelongToWhoMadeThem) {
  const XsPermissions shared{{kHostDomId, XsAccess::kRead}, {kGuestDomId, XsAccess::kBoth}};
  Put("/n", "");
  Give("/n", shared);
  Put("/n/by-host/deep", "");
  EXPECT_EQ(Of("/n/by-host/deep"), shared);
  ASSERT_TRUE(store.Mkdir(*guest, 0, "/n/by-guest/deep"));
  const XsPermissions expected{{kGuestDomId, XsAccess::kRead}, {kGuestDomId, XsAccess::kBoth}};
  EXPECT_EQ(Of("/n/by-guest"), expected);
  EXPECT_EQ(Of("/n/by-guest/deep"), expected);
  // In a guest's directory even domain 0's nodes are the guest's.
  Put("/local/domain/1/gift", "");
  EXPECT_EQ(Of("/local/domain/1/gift"), XsPrivate(kGuestDomId));
}

TEST_F(StorePermissions, AForbiddenParentDoesNotTellWhetherANodeExists) {
  Put("/secret/there", "v");
  EXPECT_EQ(ErrorOf(store.Read(*guest, 0, "/secret/there")), "EACCES");
  EXPECT_EQ(ErrorOf(store.Read(*guest, 0, "/secret/missing")), "EACCES");
  EXPECT_EQ(ErrorOf(store.Remove(*guest, 0, "/secret/missing")), "EACCES");
  EXPECT_EQ(ErrorOf(store.Directory(*guest, 0, "/missing/deep")), "EACCES");
  Give("/secret", XsShared(kHostDomId, kGuestDomId, XsAccess::kRead));
  EXPECT_EQ(ErrorOf(store.Read(*guest, 0, "/secret/missing")), "ENOENT");
  EXPECT_EQ(ErrorOf(store.Write(*guest, 0, "/secret/missing", "v")), "EACCES");
}

TEST_F(StorePermissions, ChangesInATransactionHoldThereAndOnCommit) {
  Put("/n", "v");
  const auto tx = *store.StartTransaction(*host);
  ASSERT_TRUE(
      store.SetPermissions(*host, tx, "/n", XsShared(kHostDomId, kGuestDomId, XsAccess::kRead)));
  EXPECT_EQ(ErrorOf(store.Read(*guest, 0, "/n")), "EACCES");
  ASSERT_TRUE(store.EndTransaction(*host, tx, true));
  EXPECT_EQ(ErrorOf(store.Read(*guest, 0, "/n")), "");
}

TEST_F(StorePermissions, SetTargetLendsTheTargetsRights) {
  Put("/n", "v");
  Give("/n", XsShared(kHostDomId, kGuestDomId, XsAccess::kRead));
  EXPECT_EQ(ErrorOf(store.SetTarget(kOther, kGuestDomId)), "ENOENT");
  store.Introduce(kGuestDomId);
  store.Introduce(kOther);
  ASSERT_TRUE(store.SetTarget(kOther, kGuestDomId));
  EXPECT_EQ(ErrorOf(store.Read(*other, 0, "/n")), "");
  EXPECT_EQ(ErrorOf(store.Write(*other, 0, "/local/domain/1/x", "v")), "");
  EXPECT_EQ(ErrorOf(store.Write(*other, 0, "/n", "w")), "EACCES");
  EXPECT_EQ(ErrorOf(store.SetTarget(kOther, kHostDomId)), "ENOENT");
  ASSERT_TRUE(store.Release(kOther));
  EXPECT_EQ(ErrorOf(store.Read(*other, 0, "/n")), "EACCES");
}

TEST_F(StorePermissions, SpecialEventsHavePermissionsThatOnlyDomainZeroSets) {
  EXPECT_EQ(*store.GetPermissions(*host, 0, kReleaseDomain), XsPrivate(kHostDomId));
  EXPECT_EQ(ErrorOf(store.GetPermissions(*guest, 0, kReleaseDomain)), "EACCES");
  const auto shared = XsShared(kHostDomId, kGuestDomId, XsAccess::kRead);
  EXPECT_EQ(ErrorOf(store.SetPermissions(*guest, 0, kReleaseDomain, shared)), "EACCES");
  EXPECT_EQ(ErrorOf(store.SetPermissions(*host, 0, kReleaseDomain, shared)), "");
  EXPECT_EQ(ErrorOf(store.GetPermissions(*guest, 0, kReleaseDomain)), "");
}

}  // namespace
}  // namespace veneer::test
