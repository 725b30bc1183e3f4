#include "veneer/vmm/base/loaded_library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace veneer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(LoadedLibrary, FindsFunctions) {
  const auto library = LoadedLibrary::Load("libm.so.6", "a test", "libc6");
  ASSERT_TRUE(library);
  double (*root)(double) = nullptr;
  ASSERT_TRUE(library->Find("sqrt", root));
  EXPECT_EQ(root(4), 2);
  EXPECT_THAT(library->Find("no_such_function", root).error().message,
              AllOf(HasSubstr("libm.so.6"), HasSubstr("no_such_function")));
}

TEST(LoadedLibrary, NamesThePackageOfOneThatIsMissing) {
  const auto library = LoadedLibrary::Load("libnone.so.9", "a cake", "flour");
  EXPECT_EQ(library.error().message,
            "a cake needs the library libnone.so.9; install Debian's package flour");
}

}  // namespace
}  // namespace veneer
