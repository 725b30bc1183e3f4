#include "store_fixture.h"

namespace veneer::test {
namespace {

class StoreNodes : public StoreFixture {};

TEST_F(StoreNodes, WriteMakesTheNodeAndItsParents) {
  Put("/a/b/c", "value");
  EXPECT_EQ(Value("/a/b/c"), "value");
  EXPECT_EQ(Value("/a/b"), "");
  EXPECT_EQ(Value("/a"), "");
  Put("/a/b/c", "");
  EXPECT_EQ(Value("/a/b/c"), "");
}

TEST_F(StoreNodes, ValuesHoldAnyByte) {
  const std::string value("\0\x01\xff nul inside\0", 14);
  Put("/binary", value);
  EXPECT_EQ(Value("/binary"), value);
}

TEST_F(StoreNodes, ReadingWhatIsNotThereIsEnoent) {
  EXPECT_EQ(Value("/nothing"), "<ENOENT>");
  EXPECT_EQ(ErrorOf(store.Directory(*host, 0, "/nothing")), "ENOENT");
  EXPECT_EQ(ErrorOf(store.GetPermissions(*host, 0, "/nothing")), "ENOENT");
  EXPECT_EQ(ErrorOf(store.SetPermissions(*host, 0, "/nothing", XsPrivate(kHostDomId))), "ENOENT");
}

TEST_F(StoreNodes, MkdirLeavesAnExistingNodeAlone) {
  Put("/a", "value");
  EXPECT_EQ(ErrorOf(store.Mkdir(*host, 0, "/a")), "");
  EXPECT_EQ(Value("/a"), "value");
  EXPECT_EQ(ErrorOf(store.Mkdir(*host, 0, "/b/c")), "");
  EXPECT_EQ(Value("/b/c"), "");
}

TEST_F(StoreNodes, RemoveTakesTheWholeSubtree) {
  Put("/a/b/c", "1");
  Put("/a/d", "2");
  EXPECT_EQ(ErrorOf(store.Remove(*host, 0, "/a")), "");
  EXPECT_EQ(Value("/a/b/c"), "<ENOENT>");
  EXPECT_EQ(Value("/a"), "<ENOENT>");
}

TEST_F(StoreNodes, RemovingAMissingNodeNeedsItsParent) {
  Put("/a", "");
  EXPECT_EQ(ErrorOf(store.Remove(*host, 0, "/a/missing")), "");
  EXPECT_EQ(ErrorOf(store.Remove(*host, 0, "/a/missing/deeper")), "ENOENT");
}

TEST_F(StoreNodes, TheRootStays) {
  EXPECT_EQ(ErrorOf(store.Remove(*host, 0, "/")), "EINVAL");
  EXPECT_EQ(ErrorOf(store.Write(*host, 0, "/", "value")), "");
  EXPECT_EQ(Value("/"), "value");
}

TEST_F(StoreNodes, DirectoryListsTheChildrenInOrder) {
  Put("/a/z", "");
  Put("/a/b/deeper", "");
  Put("/a/m", "");
  const auto listing = store.Directory(*host, 0, "/a");
  ASSERT_TRUE(listing);
  EXPECT_EQ(listing->names, (std::vector<std::string>{"b", "m", "z"}));
  EXPECT_TRUE(store.Directory(*host, 0, "/a/z")->names.empty());
}

TEST_F(StoreNodes, DirectoryGenerationChangesWithTheList) {
  Put("/a/b", "");
  const auto first = store.Directory(*host, 0, "/a")->generation;
  Put("/a/b", "value");
  EXPECT_EQ(store.Directory(*host, 0, "/a")->generation, first);
  Put("/a/c", "");
  EXPECT_NE(store.Directory(*host, 0, "/a")->generation, first);
}

TEST_F(StoreNodes, RelativePathsBeginAtTheDomain) {
  EXPECT_EQ(ErrorOf(store.Write(*guest, 0, "data/x", "1")), "");
  EXPECT_EQ(Value("/local/domain/1/data/x"), "1");
  EXPECT_EQ(ErrorOf(store.Write(*host, 0, "data/x", "1")), "EINVAL");
}

TEST_F(StoreNodes, MalformedPathsAreEinvalInEveryCall) {
  for (const char* path : {"", "//", "/a/", "/a b", "/a//b"}) {
    EXPECT_EQ(ErrorOf(store.Read(*host, 0, path)), "EINVAL");
    EXPECT_EQ(ErrorOf(store.Write(*host, 0, path, "")), "EINVAL");
    EXPECT_EQ(ErrorOf(store.Mkdir(*host, 0, path)), "EINVAL");
    EXPECT_EQ(ErrorOf(store.Remove(*host, 0, path)), "EINVAL");
    EXPECT_EQ(ErrorOf(store.Directory(*host, 0, path)), "EINVAL");
    EXPECT_EQ(ErrorOf(store.GetPermissions(*host, 0, path)), "EINVAL");
    EXPECT_EQ(ErrorOf(store.SetPermissions(*host, 0, path, XsPrivate(kHostDomId))), "EINVAL");
    EXPECT_EQ(ErrorOf(store.Watch(*host, path, "t")), "EINVAL");
    EXPECT_EQ(ErrorOf(store.Unwatch(*host, path, "t")), "EINVAL");
  }
}

TEST_F(StoreNodes, AnUnknownTransactionIsEnoentInEveryCall) {
  EXPECT_EQ(ErrorOf(store.Read(*host, 7, "/local")), "ENOENT");
  EXPECT_EQ(ErrorOf(store.Write(*host, 7, "/x", "")), "ENOENT");
  EXPECT_EQ(ErrorOf(store.Remove(*host, 7, "/x")), "ENOENT");
  EXPECT_EQ(ErrorOf(store.EndTransaction(*host, 7, true)), "ENOENT");
  EXPECT_EQ(Value("/x"), "<ENOENT>");
}

TEST_F(StoreNodes, DomainsAreIntroducedAndReleasedOnce) {
  EXPECT_TRUE(store.IsIntroduced(kHostDomId));
  EXPECT_FALSE(store.IsIntroduced(kGuestDomId));
  EXPECT_EQ(ErrorOf(store.Release(kGuestDomId)), "ENOENT");
  store.Introduce(kGuestDomId);
  EXPECT_TRUE(store.IsIntroduced(kGuestDomId));
  EXPECT_EQ(ErrorOf(store.Release(kGuestDomId)), "");
  EXPECT_EQ(ErrorOf(store.Release(kGuestDomId)), "ENOENT");
  EXPECT_EQ(ErrorOf(store.Release(kHostDomId)), "ENOENT");
}

}  // namespace
}  // namespace veneer::test
