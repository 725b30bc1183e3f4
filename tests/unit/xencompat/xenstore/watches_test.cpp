#include "store_fixture.h"

namespace veneer::test {
namespace {

class StoreWatches : public StoreFixture {
 protected:
  void WatchHost(std::string_view path, std::string_view token = "t") {
    ASSERT_EQ(ErrorOf(store.Watch(*host, path, token)), "");
  }
  void WatchGuest(std::string_view path, std::string_view token = "t") {
    ASSERT_EQ(ErrorOf(store.Watch(*guest, path, token)), "");
  }
};

TEST_F(StoreWatches, TellOfEveryChangeAtAndBelow) {
  Put("/a", "");
  WatchHost("/a");
  Put("/a", "1");
  Put("/a/b", "2");
  ASSERT_TRUE(store.SetPermissions(*host, 0, "/a/b", XsPrivate(kGuestDomId)));
  Put("/ab", "not below");
  Put("/", "above");
  EXPECT_EQ(host_sink.Take(), (Events{{"/a", "t"}, {"/a/b", "t"}, {"/a/b", "t"}}));
}

TEST_F(StoreWatches, TellOfNodesMadeOnTheWay) {
  WatchHost("/a");
  Put("/a/b/c", "");
  EXPECT_EQ(host_sink.Take(), (Events{{"/a", "t"}, {"/a/b", "t"}, {"/a/b/c", "t"}}));
}

TEST_F(StoreWatches, AnExistingDirectoryMadeAgainIsNoChange) {
  Put("/a", "");
  WatchHost("/a");
  ASSERT_TRUE(store.Mkdir(*host, 0, "/a"));
  ASSERT_TRUE(store.Remove(*host, 0, "/a/missing"));
  EXPECT_TRUE(host_sink.Take().empty());
}

TEST_F(StoreWatches, RemovingASubtreeTellsEachWatchOnce) {
  Put("/a/b/c", "");
  Put("/a/d", "");
  WatchHost("/", "above");
  WatchHost("/a/b", "inside");
  WatchHost("/a/b/c", "leaf");
  WatchHost("/a/missing", "missing");
  ASSERT_TRUE(store.Remove(*host, 0, "/a"));
  EXPECT_EQ(host_sink.Take(), (Events{{"/a", "above"}, {"/a/b", "inside"}, {"/a/b/c", "leaf"}}));
}

TEST_F(StoreWatches, RelativeWatchesReportRelativePaths) {
  WatchGuest("device", "rel");
  WatchGuest("/local/domain/1/device", "abs");
  ASSERT_TRUE(store.Write(*guest, 0, "device/vbd", "1"));
  EXPECT_EQ(guest_sink.Take(), (Events{{"device", "rel"},
                                       {"/local/domain/1/device", "abs"},
                                       {"device/vbd", "rel"},
                                       {"/local/domain/1/device/vbd", "abs"}}));
}

TEST_F(StoreWatches, AreTheSameOnlyByPathAndToken) {
  WatchGuest("device", "one");
  WatchGuest("device", "two");
  EXPECT_EQ(ErrorOf(store.Watch(*guest, "device", "one")), "EEXIST");
  EXPECT_EQ(ErrorOf(store.Watch(*guest, "/local/domain/1/device", "one")), "EEXIST");
  EXPECT_EQ(ErrorOf(store.Unwatch(*guest, "device", "three")), "ENOENT");
  EXPECT_EQ(ErrorOf(store.Unwatch(*guest, "other", "one")), "ENOENT");
  EXPECT_EQ(ErrorOf(store.Unwatch(*guest, "device", "one")), "");
  EXPECT_EQ(ErrorOf(store.Unwatch(*guest, "device", "one")), "ENOENT");
  ASSERT_TRUE(store.Mkdir(*guest, 0, "device"));
  EXPECT_EQ(guest_sink.Take(), (Events{{"device", "two"}}));
}

TEST_F(StoreWatches, TransactionsTellOnCommitOnly) {
  Put("/a/x", "1");
  WatchHost("/a");
  auto tx = *store.StartTransaction(*host);
  ASSERT_TRUE(store.Write(*host, tx, "/a/x", "2"));
  ASSERT_TRUE(store.Write(*host, tx, "/a/x", "3"));
  ASSERT_TRUE(store.Write(*host, tx, "/a/y", "4"));
  EXPECT_TRUE(host_sink.Take().empty());
  ASSERT_TRUE(store.EndTransaction(*host, tx, true));
  EXPECT_EQ(host_sink.Take(), (Events{{"/a/x", "t"}, {"/a/y", "t"}}));
  tx = *store.StartTransaction(*host);
  ASSERT_TRUE(store.Write(*host, tx, "/a/x", "5"));
  ASSERT_TRUE(store.EndTransaction(*host, tx, false));
  EXPECT_TRUE(host_sink.Take().empty());
}

TEST_F(StoreWatches, AConflictTellsNothing) {
  Put("/a", "1");
  const auto tx = *store.StartTransaction(*host);
  ASSERT_TRUE(store.Write(*host, tx, "/a", "2"));
  Put("/a", "3");
  WatchHost("/a");
  EXPECT_EQ(ErrorOf(store.EndTransaction(*host, tx, true)), "EAGAIN");
  EXPECT_TRUE(host_sink.Take().empty());
}

TEST_F(StoreWatches, TellNothingOfWhatTheDomainMayNotRead) {
  Put("/secret/x", "");
  WatchGuest("/");
  Put("/secret/x", "1");
  Put("/secret/y", "1");
  ASSERT_TRUE(store.Remove(*host, 0, "/secret"));
  EXPECT_TRUE(guest_sink.Take().empty());
}

TEST_F(StoreWatches, TellOfAReadableNodeThatGoesAway) {
  Put("/secret/x", "");
  ASSERT_TRUE(store.SetPermissions(*host, 0, "/secret/x",
                                   XsShared(kHostDomId, kGuestDomId, XsAccess::kRead)));
  WatchGuest("/secret/x");
  ASSERT_TRUE(store.Remove(*host, 0, "/secret"));
  EXPECT_EQ(guest_sink.Take(), (Events{{"/secret/x", "t"}}));
}

TEST_F(StoreWatches, TellOfLosingAndOfGainingTheRightToRead) {
  Put("/n", "");
  WatchGuest("/n");
  ASSERT_TRUE(
      store.SetPermissions(*host, 0, "/n", XsShared(kHostDomId, kGuestDomId, XsAccess::kRead)));
  EXPECT_EQ(guest_sink.Take().size(), 1u);
  ASSERT_TRUE(store.SetPermissions(*host, 0, "/n", XsPrivate(kHostDomId)));
  EXPECT_EQ(guest_sink.Take().size(), 1u);
  Put("/n", "now hidden");
  EXPECT_TRUE(guest_sink.Take().empty());
}

TEST_F(StoreWatches, SpecialEventsFollowTheirPermissions) {
  WatchHost(kIntroduceDomain);
  WatchHost(kReleaseDomain);
  WatchGuest(kReleaseDomain);
  store.Introduce(kGuestDomId);
  store.Introduce(kGuestDomId);
  EXPECT_EQ(host_sink.Take(), (Events{{"@introduceDomain", "t"}}));
  ASSERT_TRUE(store.Release(kGuestDomId));
  EXPECT_EQ(host_sink.Take(), (Events{{"@releaseDomain", "t"}}));
  EXPECT_TRUE(guest_sink.Take().empty());
  ASSERT_TRUE(store.SetPermissions(*host, 0, kReleaseDomain,
                                   XsShared(kHostDomId, kGuestDomId, XsAccess::kRead)));
  store.Introduce(kGuestDomId);
  ASSERT_TRUE(store.Release(kGuestDomId));
  EXPECT_EQ(guest_sink.Take(), (Events{{"@releaseDomain", "t"}}));
}

TEST_F(StoreWatches, ResetDropsWatchesAndTransactions) {
  WatchGuest("device");
  const auto tx = *store.StartTransaction(*guest);
  store.ResetWatches(*guest);
  EXPECT_EQ(store.WatchesOf(kGuestDomId), 0u);
  EXPECT_EQ(store.TransactionsOf(kGuestDomId), 0u);
  EXPECT_EQ(ErrorOf(store.Write(*guest, tx, "x", "")), "ENOENT");
  ASSERT_TRUE(store.Mkdir(*guest, 0, "device"));
  EXPECT_TRUE(guest_sink.Take().empty());
}

TEST_F(StoreWatches, GoWithTheirSession) {
  WatchGuest("device");
  guest.reset();
  EXPECT_EQ(store.WatchesOf(kGuestDomId), 0u);
  Put("/local/domain/1/device", "");
  EXPECT_TRUE(guest_sink.Take().empty());
}

}  // namespace
}  // namespace veneer::test
