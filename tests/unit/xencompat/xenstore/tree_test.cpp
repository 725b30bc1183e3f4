#include "src/xencompat/xenstore/tree.h"

#include <gtest/gtest.h>

namespace veneer {
namespace {

StorePath Path(std::string_view text) { return *StorePath::Parse(text, std::nullopt); }

class Tree : public ::testing::Test {
 protected:
  NodeRef Add(const NodeRef& to, std::string_view path, std::string value = "") {
    return WithNode(to, Path(path), XsPrivate(kHostDomId), std::move(value), ++generation_);
  }
  NodeRef Set(const NodeRef& in, std::string_view path, std::string value) {
    return WithContent(in, Path(path), {std::move(value), XsPrivate(kHostDomId)}, ++generation_);
  }
  NodeRef Drop(const NodeRef& from, std::string_view path) {
    return WithoutNode(from, Path(path), ++generation_);
  }
  static std::string Changes(const NodeRef& before, const NodeRef& after) {
    std::string text;
    VisitChanges(before, after, [&](const NodeChange& change) {
      text += change.before == nullptr ? "+" : change.after == nullptr ? "-" : "=";
      text += std::string(change.path) + (change.below_removed ? "! " : " ");
    });
    return text;
  }

  std::uint64_t generation_ = 1;
  NodeRef root_ = MakeNode("", {"", XsPrivate(kHostDomId)}, 1);
};

TEST_F(Tree, KeepsOldVersionsAsTheyWere) {
  const NodeRef one = Add(root_, "/a/b", "1");
  const NodeRef two = Set(one, "/a/b", "2");
  const NodeRef three = Drop(two, "/a");
  EXPECT_EQ(FindNode(one, Path("/a/b"))->content->value, "1");
  EXPECT_EQ(FindNode(two, Path("/a/b"))->content->value, "2");
  EXPECT_EQ(FindNode(three, Path("/a/b")), nullptr);
  EXPECT_EQ(FindNode(root_, Path("/a")), nullptr);
}

TEST_F(Tree, SharesWhatDidNotChange) {
  const NodeRef one = Add(Add(root_, "/a/x"), "/b/y");
  const NodeRef two = Set(one, "/a/x", "new");
  EXPECT_EQ(FindNode(one, Path("/b")), FindNode(two, Path("/b")));
  EXPECT_NE(FindNode(one, Path("/a")), FindNode(two, Path("/a")));
}

TEST_F(Tree, KeepsChildrenSorted) {
  const NodeRef tree = Add(Add(Add(root_, "/c"), "/a"), "/b");
  std::string names;
  for (const NodeRef& child : tree->children) {
    names += child->name;
  }
  EXPECT_EQ(names, "abc");
}

TEST_F(Tree, ChangesAGenerationOnlyWithContentOrListOfChildren) {
  const NodeRef one = Add(root_, "/a/b");
  const auto generation = [](const NodeRef& tree, std::string_view path) {
    return FindNode(tree, Path(path))->generation;
  };
  const NodeRef written = Set(one, "/a/b", "v");
  EXPECT_EQ(generation(written, "/a"), generation(one, "/a"));
  EXPECT_NE(generation(written, "/a/b"), generation(one, "/a/b"));
  EXPECT_NE(generation(Add(one, "/a/c"), "/a"), generation(one, "/a"));
  EXPECT_EQ(generation(Add(one, "/a/c"), "/"), generation(one, "/"));
  EXPECT_NE(generation(Drop(one, "/a/b"), "/a"), generation(one, "/a"));
}

TEST_F(Tree, FindsTheNearestNode) {
  const NodeRef tree = Add(root_, "/a/b");
  const NearestNode nearest = FindNearest(tree, Path("/a/b/c/d"));
  EXPECT_EQ(nearest.path.text(), "/a/b");
  EXPECT_EQ(nearest.missing, 2u);
  EXPECT_EQ(FindNearest(tree, Path("/x")).path.text(), "/");
  EXPECT_EQ(FindNearest(tree, Path("/a/b")).missing, 0u);
}

TEST_F(Tree, VisitsChangesParentsFirst) {
  const NodeRef one = Add(Add(root_, "/a/b"), "/z");
  EXPECT_EQ(Changes(root_, one), "+/a +/a/b +/z ");
  EXPECT_EQ(Changes(one, Set(one, "/a/b", "v")), "=/a/b ");
  EXPECT_EQ(Changes(one, Drop(one, "/a")), "-/a -/a/b! ");
  EXPECT_EQ(Changes(one, one), "");
  EXPECT_EQ(Changes(one, Set(one, "/", "v")), "=/ ");
}

TEST_F(Tree, MergesChangesIntoAnotherVersion) {
  const NodeRef base = Add(Add(Add(root_, "/a/x", "1"), "/b/y", "1"), "/c", "1");
  const NodeRef mine = Drop(Add(Set(base, "/a/x", "2"), "/a/new", "3"), "/c");
  const NodeRef theirs = Add(Set(base, "/b/y", "9"), "/d", "9");
  const NodeRef merged = MergeChanges(base, mine, theirs);
  EXPECT_EQ(Changes(theirs, merged), "+/a/new =/a/x -/c ");
  EXPECT_EQ(FindNode(merged, Path("/b/y"))->content->value, "9");
  EXPECT_EQ(FindNode(merged, Path("/a/x"))->content->value, "2");
  EXPECT_NE(FindNode(merged, Path("/d")), nullptr);
}

TEST_F(Tree, SurvivesTheDeepestPath) {
  std::string path;
  while (path.size() + 2 <= StorePath::kMaxAbsolute) {
    path += "/d";
  }
  const NodeRef deep = Add(root_, path, "bottom");
  EXPECT_EQ(FindNode(deep, Path(path))->content->value, "bottom");
  const NodeRef changed = Set(deep, path, "changed");
  EXPECT_EQ(Changes(deep, changed), "=" + path + " ");
  EXPECT_EQ(FindNode(MergeChanges(deep, changed, Add(deep, "/other")), Path(path))->content->value,
            "changed");
}

}  // namespace
}  // namespace veneer
