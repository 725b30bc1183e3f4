#include "src/vmm/cli/claim_name.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/scratch_directory.h"

namespace veneer {
namespace {

using ::testing::HasSubstr;

class ClaimNameTest : public ::testing::Test {
 protected:
  test::ScratchDirectory scratch_;
  const Result<std::string> folder_ = scratch_.File("veneer");
  RunOptions options_;
};

TEST_F(ClaimNameTest, UsesTheUsualPlace) {
  options_.machine.name = "web";
  options_.name_chosen = true;
  const auto socket = ClaimName(options_, folder_).value();
  ASSERT_NE(socket, nullptr);
  EXPECT_EQ(socket->path(), *folder_ + "/web.sock");
}

TEST_F(ClaimNameTest, AChosenNameIsRefusedWhileItIsInUse) {
  options_.machine.name = "web";
  options_.name_chosen = true;
  auto first = ClaimName(options_, folder_).value();
  const auto second = ClaimName(options_, folder_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::kUsage);
  EXPECT_THAT(second.error().message, HasSubstr("'web' is running"));
  first.reset();
  EXPECT_NE(ClaimName(options_, folder_).value(), nullptr);
}

TEST_F(ClaimNameTest, GuestsWithoutANameGetOneThatIsFree) {
  const auto first = ClaimName(options_, folder_).value();
  EXPECT_EQ(options_.machine.name, "veneer");
  RunOptions others = RunOptions();
  const auto second = ClaimName(others, folder_).value();
  EXPECT_EQ(others.machine.name, "veneer-2");
  EXPECT_EQ(second->path(), *folder_ + "/veneer-2.sock");
}

TEST_F(ClaimNameTest, APathOfTheUsersOwn) {
  options_.control_socket = scratch_.File("my.sock");
  const auto first = ClaimName(options_, folder_).value();
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(first->path(), options_.control_socket);
  EXPECT_FALSE(std::filesystem::exists(*folder_));
  const auto second = ClaimName(options_, folder_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::kUsage);
  EXPECT_THAT(second.error().message, HasSubstr("--control-socket"));
}

TEST_F(ClaimNameTest, APathThatCannotBeIsAnError) {
  options_.control_socket = scratch_.File("missing/folder/my.sock");
  const auto socket = ClaimName(options_, folder_);
  ASSERT_FALSE(socket);
  EXPECT_THAT(socket.error().message, HasSubstr("--control-socket"));
}

TEST_F(ClaimNameTest, OffIsOff) {
  options_.control_socket = "off";
  options_.name_chosen = true;
  EXPECT_EQ(ClaimName(options_, folder_).value(), nullptr);
  EXPECT_FALSE(std::filesystem::exists(*folder_));
}

TEST_F(ClaimNameTest, AGuestRunsWithoutAUsualPlace) {
  const Result<std::string> no_folder = HostError("no place");
  const auto socket = ClaimName(options_, no_folder);
  ASSERT_TRUE(socket);
  EXPECT_EQ(*socket, nullptr);
  const Result<std::string> unusable = scratch_.File("missing/folder");
  EXPECT_EQ(ClaimName(options_, unusable).value(), nullptr);
}

}  // namespace
}  // namespace veneer
