#include "veneer/vmm/control/control_socket.h"

#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/scratch_directory.h"
#include "veneer/vmm/base/unix_socket.h"
#include "veneer/vmm/control/control_client.h"

namespace veneer {
namespace {

using ::testing::HasSubstr;

class ControlSocketTest : public ::testing::Test {
 protected:
  // As a killed process leaves it: both files, and nobody behind them.
  void LeaveStaleFiles() const {
    const UniqueFd fd = MakeUnixSocket(0);
    const UnixAddress address = UnixAddress::Of(path_).value();
    ASSERT_EQ(bind(fd.get(), address.generic(), sizeof address.value), 0);
    std::ofstream(path_ + ".lock").close();
  }

  test::ScratchDirectory scratch_;
  const std::string path_ = scratch_.File("guest.sock");
};

TEST_F(ControlSocketTest, IsItsOwnersAloneAndGoneAfterwards) {
  {
    const auto socket = ControlSocket::Claim(path_).value();
    ASSERT_NE(socket, nullptr);
    struct stat status {};
    ASSERT_EQ(lstat(path_.c_str(), &status), 0);
    EXPECT_TRUE(S_ISSOCK(status.st_mode));
    EXPECT_EQ(status.st_mode & 07777U, 0600U);
    EXPECT_TRUE(std::filesystem::exists(path_ + ".lock"));
    EXPECT_NE(ControlClient::Connect(path_).value(), nullptr);
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_FALSE(std::filesystem::exists(path_ + ".lock"));
  EXPECT_EQ(ControlClient::Connect(path_).value(), nullptr);
}

TEST_F(ControlSocketTest, NobodyElseGetsItWhileItIsInUse) {
  auto first = ControlSocket::Claim(path_).value();
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(ControlSocket::Claim(path_).value(), nullptr);
  EXPECT_NE(ControlClient::Connect(path_).value(), nullptr) << "the attempt has done no harm";
  first.reset();
  EXPECT_NE(ControlSocket::Claim(path_).value(), nullptr);
}

TEST_F(ControlSocketTest, ReplacesWhatAKilledProcessHasLeft) {
  LeaveStaleFiles();
  EXPECT_EQ(ControlClient::Connect(path_).value(), nullptr);
  const auto socket = ControlSocket::Claim(path_).value();
  ASSERT_NE(socket, nullptr);
  EXPECT_NE(ControlClient::Connect(path_).value(), nullptr);
}

TEST_F(ControlSocketTest, LeavesAloneWhatIsNoSocket) {
  std::ofstream(path_) << "precious";
  const auto socket = ControlSocket::Claim(path_);
  ASSERT_FALSE(socket);
  EXPECT_EQ(socket.error().kind, ErrorKind::kUsage);
  EXPECT_THAT(socket.error().message, HasSubstr(path_));
  EXPECT_EQ(std::filesystem::file_size(path_), 8U);
  EXPECT_FALSE(std::filesystem::exists(path_ + ".lock"));
}

TEST_F(ControlSocketTest, MakesAPrivateFolder) {
  const std::string folder = scratch_.File("veneer");
  const auto socket = ControlSocket::Claim(folder + "/a.sock").value();
  struct stat status {};
  ASSERT_EQ(stat(folder.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0700U);
}

TEST_F(ControlSocketTest, SaysWhichPathItCannotUse) {
  const std::string missing = scratch_.File("a/b/c.sock");
  EXPECT_THAT(ControlSocket::Claim(missing).error().message, HasSubstr(scratch_.File("a/b")));
  const auto empty = ControlSocket::Claim("");
  EXPECT_EQ(empty.error().kind, ErrorKind::kUsage);
  const auto longest = ControlSocket::Claim(scratch_.File(std::string(200, 'x')));
  EXPECT_EQ(longest.error().kind, ErrorKind::kUsage);
}

TEST_F(ControlSocketTest, OfManyStartersOneGetsIt) {
  LeaveStaleFiles();
  constexpr int kRounds = 200;
  std::atomic<int> holders{0};
  std::atomic<int> claimed{0};
  std::atomic<bool> overlapped{false};
  std::vector<std::thread> starters;
  for (int i = 0; i < 3; ++i) {
    starters.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        const auto socket = ControlSocket::Claim(path_);
        ASSERT_TRUE(socket) << socket.error().message;
        if (*socket != nullptr) {
          ++claimed;
          if (++holders != 1) {
            overlapped = true;
          }
          --holders;
        }
      }
    });
  }
  for (std::thread& starter : starters) {
    starter.join();
  }
  EXPECT_FALSE(overlapped);
  EXPECT_GT(claimed, 0);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST(GuestName, IsPartOfAFileName) {
  for (const char* name : {"a", "web-1", "A_b.c", "9"}) {
    EXPECT_TRUE(IsGuestName(name)) << name;
  }
  for (const char* name : {"", ".", "..", ".hidden", "-x", "-", "a/b", "a b", "a\n", "\xc3\xa4"}) {
    EXPECT_FALSE(IsGuestName(name)) << name;
  }
  EXPECT_TRUE(IsGuestName(std::string(48, 'x')));
  EXPECT_FALSE(IsGuestName(std::string(49, 'x')));
  EXPECT_FALSE(IsGuestName(std::string_view("a\0b", 3)));
}

TEST(ControlFolder, DependsOnTheUser) {
  EXPECT_EQ(ControlFolder(0, "/run/user/0").value(), "/run/veneer");
  EXPECT_EQ(ControlFolder(0, nullptr).value(), "/run/veneer");
  EXPECT_EQ(ControlFolder(1000, "/run/user/1000").value(), "/run/user/1000/veneer");
  for (const char* none : {static_cast<const char*>(nullptr), "", "relative"}) {
    EXPECT_FALSE(ControlFolder(1000, none));
  }
  EXPECT_NE(ControlFolder(1000, "relative").error().message.find("is 'relative', which is no path"),
            std::string::npos);
}

}  // namespace
}  // namespace veneer
