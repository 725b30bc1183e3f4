#include "store_fixture.h"

namespace veneer::test {
namespace {

class StoreTransactions : public StoreFixture {
 protected:
  TransactionId Start() { return *store.StartTransaction(*host); }
  std::string End(TransactionId tx, bool commit = true) {
    return ErrorOf(store.EndTransaction(*host, tx, commit));
  }
  std::string ValueIn(TransactionId tx, std::string_view path) {
    const auto value = store.Read(*host, tx, path);
    return value ? *value : "<" + ErrorOf(value) + ">";
  }
};

TEST_F(StoreTransactions, ChangesAreSeenInsideAtOnceAndOutsideAfterCommit) {
  Put("/a", "old");
  const auto tx = Start();
  ASSERT_TRUE(store.Write(*host, tx, "/a", "new"));
  ASSERT_TRUE(store.Mkdir(*host, tx, "/b"));
  EXPECT_EQ(ValueIn(tx, "/a"), "new");
  EXPECT_EQ(Value("/a"), "old");
  EXPECT_EQ(Value("/b"), "<ENOENT>");
  EXPECT_EQ(End(tx), "");
  EXPECT_EQ(Value("/a"), "new");
  EXPECT_EQ(Value("/b"), "");
}

TEST_F(StoreTransactions, AbortLeavesNothing) {
  const auto tx = Start();
  ASSERT_TRUE(store.Write(*host, tx, "/a", "new"));
  EXPECT_EQ(End(tx, false), "");
  EXPECT_EQ(Value("/a"), "<ENOENT>");
  EXPECT_EQ(End(tx, true), "ENOENT");
}

TEST_F(StoreTransactions, ReadsSeeTheStartWhateverHappensOutside) {
  Put("/a", "1");
  const auto tx = Start();
  Put("/a", "2");
  EXPECT_EQ(ValueIn(tx, "/a"), "1");
  EXPECT_EQ(End(tx), "EAGAIN");
}

TEST_F(StoreTransactions, AReadNodeThatChangedConflicts) {
  Put("/a", "1");
  Put("/b", "1");
  const auto tx = Start();
  EXPECT_EQ(ValueIn(tx, "/a"), "1");
  ASSERT_TRUE(store.Write(*host, tx, "/b", "2"));
  Put("/a", "1");  // the same value is a change as well
  EXPECT_EQ(End(tx), "EAGAIN");
  EXPECT_EQ(Value("/b"), "1");
}

TEST_F(StoreTransactions, AWrittenNodeThatChangedConflicts) {
  Put("/a", "1");
  const auto tx = Start();
  ASSERT_TRUE(store.Write(*host, tx, "/a", "2"));
  Put("/a", "3");
  EXPECT_EQ(End(tx), "EAGAIN");
  EXPECT_EQ(Value("/a"), "3");
}

TEST_F(StoreTransactions, ChangesElsewhereDoNotConflict) {
  Put("/a/x", "1");
  Put("/a/y", "1");
  Put("/b/z", "1");
  const auto tx = Start();
  ASSERT_TRUE(store.Write(*host, tx, "/a/x", "2"));
  Put("/a/y", "3");
  Put("/b/new", "3");
  ASSERT_TRUE(store.Remove(*host, 0, "/b/z"));
  EXPECT_EQ(End(tx), "");
  EXPECT_EQ(Value("/a/x"), "2");
  EXPECT_EQ(Value("/a/y"), "3");
  EXPECT_EQ(Value("/b/new"), "3");
  EXPECT_EQ(Value("/b/z"), "<ENOENT>");
}

TEST_F(StoreTransactions, AMissingNodeThatAppearedConflicts) {
  const auto tx = Start();
  EXPECT_EQ(ValueIn(tx, "/a"), "<ENOENT>");
  Put("/a", "1");
  EXPECT_EQ(End(tx), "EAGAIN");
}

TEST_F(StoreTransactions, ANodeThatCameAndWentDoesNotConflict) {
  const auto tx = Start();
  EXPECT_EQ(ValueIn(tx, "/a"), "<ENOENT>");
  Put("/a", "1");
  ASSERT_TRUE(store.Remove(*host, 0, "/a"));
  EXPECT_EQ(End(tx), "");
}

TEST_F(StoreTransactions, TwoNewChildrenOfOneNodeConflict) {
  Put("/d", "");
  const auto first = Start();
  const auto second = Start();
  ASSERT_TRUE(store.Write(*host, first, "/d/one", "1"));
  ASSERT_TRUE(store.Write(*host, second, "/d/two", "2"));
  EXPECT_EQ(End(first), "");
  EXPECT_EQ(End(second), "EAGAIN");
}

TEST_F(StoreTransactions, AListedDirectoryConflictsWithANewChildOnly) {
  Put("/d/child", "1");
  auto tx = Start();
  ASSERT_TRUE(store.Directory(*host, tx, "/d"));
  Put("/d/child", "2");
  EXPECT_EQ(End(tx), "");
  tx = Start();
  ASSERT_TRUE(store.Directory(*host, tx, "/d"));
  Put("/d/other", "");
  EXPECT_EQ(End(tx), "EAGAIN");
}

TEST_F(StoreTransactions, RemovingASubtreeConflictsWithAnyChangeInIt) {
  Put("/d/a/deep", "1");
  const auto tx = Start();
  ASSERT_TRUE(store.Remove(*host, tx, "/d/a"));
  Put("/d/a/deep", "2");
  EXPECT_EQ(End(tx), "EAGAIN");
  EXPECT_EQ(Value("/d/a/deep"), "2");
}

TEST_F(StoreTransactions, RemoveAndMakeAgainReplacesTheSubtree) {
  Put("/d/a", "1");
  Put("/d/b", "1");
  const auto tx = Start();
  ASSERT_TRUE(store.Remove(*host, tx, "/d"));
  ASSERT_TRUE(store.Write(*host, tx, "/d/c", "2"));
  Put("/elsewhere", "");
  EXPECT_EQ(End(tx), "EAGAIN");  // both change the list of the root's children
  const auto again = Start();
  ASSERT_TRUE(store.Remove(*host, again, "/d"));
  ASSERT_TRUE(store.Write(*host, again, "/d/c", "2"));
  Put("/elsewhere", "changed");
  EXPECT_EQ(End(again), "");
  EXPECT_EQ(store.Directory(*host, 0, "/d")->names, std::vector<std::string>{"c"});
}

TEST_F(StoreTransactions, ANodeRemovedUnderneathConflicts) {
  Put("/d/a", "1");
  const auto tx = Start();
  ASSERT_TRUE(store.Write(*host, tx, "/d/a", "2"));
  ASSERT_TRUE(store.Remove(*host, 0, "/d"));
  EXPECT_EQ(End(tx), "EAGAIN");
  EXPECT_EQ(Value("/d"), "<ENOENT>");
}

TEST_F(StoreTransactions, AChangedPermissionConflicts) {
  Put("/a", "1");
  const auto tx = Start();
  EXPECT_EQ(ValueIn(tx, "/a"), "1");
  ASSERT_TRUE(store.SetPermissions(*host, 0, "/a", XsPrivate(kGuestDomId)));
  EXPECT_EQ(End(tx), "EAGAIN");
}

TEST_F(StoreTransactions, IdsBelongToASession) {
  const auto tx = Start();
  EXPECT_FALSE(store.HasTransaction(*guest, tx));
  EXPECT_EQ(ErrorOf(store.EndTransaction(*guest, tx, true)), "ENOENT");
  const auto own = *store.StartTransaction(*guest);
  EXPECT_EQ(own, tx);  // each session counts for itself
  EXPECT_TRUE(store.HasTransaction(*host, tx));
}

TEST_F(StoreTransactions, OwnersAreCountedOnceWhateverTheWay) {
  const auto tx = *store.StartTransaction(*guest);
  const auto before = store.NodesOf(kGuestDomId);
  ASSERT_TRUE(store.Write(*guest, tx, "a/b", "1"));
  ASSERT_TRUE(store.Remove(*guest, tx, "a"));
  ASSERT_TRUE(store.Write(*guest, tx, "a", "1"));
  EXPECT_EQ(store.NodesOf(kGuestDomId), before);
  ASSERT_TRUE(store.EndTransaction(*guest, tx, true));
  EXPECT_EQ(store.NodesOf(kGuestDomId), before + 1);
  ASSERT_TRUE(store.Remove(*host, 0, "/local/domain/1"));
  EXPECT_EQ(store.NodesOf(kGuestDomId), 0u);
}

}  // namespace
}  // namespace veneer::test
