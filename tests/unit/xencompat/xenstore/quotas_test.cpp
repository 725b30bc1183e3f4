// Every limit on what a guest can make us keep, at its edge; none of them binds domain 0.
#include "store_fixture.h"

namespace veneer::test {
namespace {

XenstoreQuotas SmallQuotas() {
  XenstoreQuotas quotas;
  quotas.nodes = 10;
  quotas.watches = 3;
  quotas.transactions = 2;
  quotas.transaction_nodes = 4;
  quotas.value_bytes = 16;
  quotas.permissions = 2;
  return quotas;
}

class StoreQuotas : public StoreFixture {
 protected:
  StoreQuotas() : StoreFixture(SmallQuotas()) {}
};

TEST_F(StoreQuotas, NodesPerDomain) {
  // One of the ten is /local/domain/1 itself.
  for (int i = 0; i < 9; ++i) {
    ASSERT_EQ(ErrorOf(store.Mkdir(*guest, 0, "n" + std::to_string(i))), "");
  }
  EXPECT_EQ(ErrorOf(store.Mkdir(*guest, 0, "more")), "ENOSPC");
  EXPECT_EQ(ErrorOf(store.Write(*guest, 0, "more", "v")), "ENOSPC");
  EXPECT_EQ(ErrorOf(store.Write(*guest, 0, "n0", "v")), "");
  ASSERT_TRUE(store.Remove(*guest, 0, "n0"));
  EXPECT_EQ(ErrorOf(store.Write(*guest, 0, "a/b", "v")), "ENOSPC");
  EXPECT_EQ(ErrorOf(store.Write(*guest, 0, "a", "v")), "");
  EXPECT_EQ(store.NodesOf(kGuestDomId), 10u);
}

TEST_F(StoreQuotas, NodesCountWhoeverMadeThem) {
  for (int i = 0; i < 20; ++i) {
    Put("/local/domain/1/n" + std::to_string(i), "");
  }
  EXPECT_EQ(store.NodesOf(kGuestDomId), 21u);
  EXPECT_EQ(ErrorOf(store.Mkdir(*guest, 0, "more")), "ENOSPC");
  ASSERT_TRUE(store.SetPermissions(*host, 0, "/local/domain/1/n0", XsPrivate(kHostDomId)));
  EXPECT_EQ(store.NodesOf(kGuestDomId), 20u);
}

TEST_F(StoreQuotas, NodesInsideATransaction) {
  const auto tx = *store.StartTransaction(*guest);
  EXPECT_EQ(ErrorOf(store.Write(*guest, tx, "a/b/c/d/e/f/g/h/i", "")), "");
  EXPECT_EQ(ErrorOf(store.Write(*guest, tx, "z", "")), "ENOSPC");
  EXPECT_EQ(ErrorOf(store.EndTransaction(*guest, tx, true)), "");
  EXPECT_EQ(store.NodesOf(kGuestDomId), 10u);
}

TEST_F(StoreQuotas, TwoTransactionsCannotTogetherExceedTheNodes) {
  ASSERT_TRUE(store.Mkdir(*guest, 0, "a"));
  ASSERT_TRUE(store.Mkdir(*guest, 0, "b"));
  const auto first = *store.StartTransaction(*guest);
  const auto second = *store.StartTransaction(*guest);
  ASSERT_TRUE(store.Write(*guest, first, "a/1/2/3/4/5", ""));
  ASSERT_TRUE(store.Write(*guest, second, "b/1/2/3/4/5", ""));
  EXPECT_EQ(ErrorOf(store.EndTransaction(*guest, first, true)), "");
  EXPECT_EQ(ErrorOf(store.EndTransaction(*guest, second, true)), "ENOSPC");
  EXPECT_EQ(Value("/local/domain/1/b/1"), "<ENOENT>");
  EXPECT_EQ(store.NodesOf(kGuestDomId), 8u);
}

TEST_F(StoreQuotas, Watches) {
  for (const char* token : {"1", "2", "3"}) {
    ASSERT_EQ(ErrorOf(store.Watch(*guest, "device", token)), "");
  }
  EXPECT_EQ(ErrorOf(store.Watch(*guest, "device", "4")), "E2BIG");
  EXPECT_EQ(ErrorOf(store.Watch(*guest, "device", "3")), "EEXIST");
  ASSERT_TRUE(store.Unwatch(*guest, "device", "1"));
  EXPECT_EQ(ErrorOf(store.Watch(*guest, "device", "4")), "");
  EXPECT_EQ(ErrorOf(store.Watch(*guest, kReleaseDomain, "5")), "E2BIG");
}

TEST_F(StoreQuotas, Transactions) {
  const auto first = *store.StartTransaction(*guest);
  ASSERT_TRUE(store.StartTransaction(*guest));
  EXPECT_EQ(ErrorOf(store.StartTransaction(*guest)), "ENOSPC");
  ASSERT_TRUE(store.EndTransaction(*guest, first, false));
  EXPECT_EQ(ErrorOf(store.StartTransaction(*guest)), "");
}

TEST_F(StoreQuotas, NodesTouchedByATransaction) {
  const auto tx = *store.StartTransaction(*guest);
  for (const char* path : {"a", "b", "c", "d"}) {
    EXPECT_EQ(ErrorOf(store.Read(*guest, tx, path)), "ENOENT");
  }
  EXPECT_EQ(ErrorOf(store.Read(*guest, tx, "e")), "ENOSPC");
  EXPECT_EQ(ErrorOf(store.Read(*guest, tx, "a")), "ENOENT");
  EXPECT_EQ(ErrorOf(store.Write(*guest, tx, "a", "v")), "ENOSPC");  // its parent is one more
  EXPECT_EQ(ErrorOf(store.EndTransaction(*guest, tx, true)), "");
}

TEST_F(StoreQuotas, BytesOfAValue) {
  EXPECT_EQ(ErrorOf(store.Write(*guest, 0, "a", std::string(16, 'x'))), "");
  EXPECT_EQ(ErrorOf(store.Write(*guest, 0, "a", std::string(17, 'x'))), "ENOSPC");
  EXPECT_EQ(ErrorOf(store.Write(*guest, 0, "b", std::string(17, 'x'))), "ENOSPC");
  EXPECT_EQ(Value("/local/domain/1/a"), std::string(16, 'x'));
  EXPECT_EQ(Value("/local/domain/1/b"), "<ENOENT>");
}

TEST_F(StoreQuotas, EntriesOfAPermissionList) {
  ASSERT_TRUE(store.Mkdir(*guest, 0, "a"));
  XsPermissions permissions = XsShared(kGuestDomId, kHostDomId, XsAccess::kRead);
  EXPECT_EQ(ErrorOf(store.SetPermissions(*guest, 0, "a", permissions)), "");
  permissions.push_back({DomId{7}, XsAccess::kRead});
  EXPECT_EQ(ErrorOf(store.SetPermissions(*guest, 0, "a", permissions)), "ENOSPC");
  EXPECT_EQ(ErrorOf(store.SetPermissions(*guest, 0, "a", {})), "EINVAL");
}

TEST_F(StoreQuotas, DomainZeroHasNone) {
  for (int i = 0; i < 50; ++i) {
    const std::string path = "/h" + std::to_string(i);
    ASSERT_EQ(ErrorOf(store.Write(*host, 0, path, std::string(4000, 'x'))), "");
    ASSERT_EQ(ErrorOf(store.Watch(*host, path, "t")), "");
    ASSERT_EQ(ErrorOf(store.StartTransaction(*host)), "");
  }
}

}  // namespace
}  // namespace veneer::test
