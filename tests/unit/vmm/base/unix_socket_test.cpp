#include "veneer/vmm/base/unix_socket.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "support/scratch_directory.h"

namespace veneer {
namespace {

class UnixSocketTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const { return folder_.File(name); }

 private:
  const test::ScratchDirectory folder_;
};

TEST_F(UnixSocketTest, ListensForItsOwnerOnly) {
  const std::string path = Path("s");
  const auto listener = ListenAt(path);
  ASSERT_TRUE(listener) << listener.error().message;
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  EXPECT_TRUE(IsSocketAt(path).value());

  const UniqueFd client = MakeUnixSocket(0);
  const UnixAddress address = UnixAddress::Of(path).value();
  EXPECT_EQ(connect(client.get(), address.generic(), sizeof address.value), 0);
}

TEST_F(UnixSocketTest, TellsNothingFromSomethingElse) {
  EXPECT_FALSE(IsSocketAt(Path("none")).value());
  std::ofstream(Path("file")) << "precious";
  const auto other = IsSocketAt(Path("file"));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().kind, ErrorKind::kUsage);
  EXPECT_FALSE(ListenAt(Path("file")));
  EXPECT_TRUE(std::filesystem::is_regular_file(Path("file")));
}

TEST(UnixAddress, RefusesPathsThatNoSocketCanHave) {
  EXPECT_FALSE(UnixAddress::Of(""));
  EXPECT_FALSE(UnixAddress::Of(std::string(108, 'a')));
  EXPECT_TRUE(UnixAddress::Of(std::string(107, 'a')));
}

}  // namespace
}  // namespace veneer
