#include "src/xencompat/xenstore/store_path.h"

#include <gtest/gtest.h>

namespace veneer {
namespace {

const std::optional<std::string> kHome = "/local/domain/1";

bool Valid(std::string_view text) { return StorePath::Parse(text, kHome).has_value(); }

TEST(StorePath, TakesAbsolutePathsAsTheyAre) {
  EXPECT_EQ(StorePath::Parse("/a/b-c/D_9@", kHome)->text(), "/a/b-c/D_9@");
  EXPECT_TRUE(StorePath::Parse("/", kHome)->IsRoot());
}

TEST(StorePath, PutsRelativePathsBelowTheHome) {
  EXPECT_EQ(StorePath::Parse("device/vbd", kHome)->text(), "/local/domain/1/device/vbd");
  EXPECT_FALSE(StorePath::Parse("device/vbd", std::nullopt));
}

TEST(StorePath, RefusesMalformedPaths) {
  for (const char* text : {"", "//", "/a/", "a/", "/a//b", "a//b", "/a b", "/a.b", "/a:b", "/\n",
                           "/\x80", "/a%", "/a\\b", "///"}) {
    EXPECT_FALSE(Valid(text)) << text;
  }
  EXPECT_FALSE(Valid(std::string_view("/a\0b", 4)));
}

TEST(StorePath, LimitsTheLength) {
  EXPECT_TRUE(Valid("/" + std::string(StorePath::kMaxAbsolute - 1, 'x')));
  EXPECT_FALSE(Valid("/" + std::string(StorePath::kMaxAbsolute, 'x')));
  EXPECT_TRUE(Valid(std::string(StorePath::kMaxRelative, 'x')));
  EXPECT_FALSE(Valid(std::string(StorePath::kMaxRelative + 1, 'x')));
}

TEST(StorePath, NamesParentsAndComponents) {
  const auto path = *StorePath::Parse("/a/bc/d", kHome);
  EXPECT_EQ(path.Components(), (std::vector<std::string_view>{"a", "bc", "d"}));
  EXPECT_EQ(path.Parent().text(), "/a/bc");
  EXPECT_EQ(path.Parent().Parent().Parent().text(), "/");
  EXPECT_EQ(path.Parent().Parent().Parent().Parent().text(), "/");
}

TEST(StorePath, KnowsWhatLiesBelowWhat) {
  EXPECT_TRUE(IsAtOrBelow("/a/b", "/a/b"));
  EXPECT_TRUE(IsAtOrBelow("/a/b/c", "/a/b"));
  EXPECT_TRUE(IsAtOrBelow("/a", "/"));
  EXPECT_TRUE(IsAtOrBelow("/", "/"));
  EXPECT_FALSE(IsAtOrBelow("/a/bc", "/a/b"));
  EXPECT_FALSE(IsAtOrBelow("/a", "/a/b"));
  EXPECT_FALSE(IsAtOrBelow("@releaseDomain", "/"));
}

TEST(StorePath, KnowsSpecialNames) {
  EXPECT_TRUE(IsSpecialName("@releaseDomain"));
  EXPECT_FALSE(IsSpecialName("@"));
  EXPECT_FALSE(IsSpecialName("a@b"));
  EXPECT_FALSE(IsSpecialName("@a b"));
  EXPECT_FALSE(IsSpecialName("@" + std::string(StorePath::kMaxRelative, 'x')));
}

}  // namespace
}  // namespace veneer
