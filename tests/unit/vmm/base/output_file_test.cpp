#include "veneer/vmm/base/output_file.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "support/scratch_directory.h"
#include "veneer/vmm/base/unix_socket.h"

namespace veneer {
namespace {

std::string Content(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

void Fill(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

class OutputFileTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const { return folder_.File(name); }
  static void Write(OutputFile& file, const std::string& text) {
    ASSERT_EQ(write(file.fd(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

 private:
  const test::ScratchDirectory folder_;
};

TEST_F(OutputFileTest, ANewFileIsItsOwnersAlone) {
  ASSERT_TRUE(OpenOutput(Path("new"), O_TRUNC));
  struct stat status {};
  ASSERT_EQ(stat(Path("new").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(OutputFileTest, AnOldFileIsEmptiedOrContinuedAsAsked) {
  Fill(Path("old"), "before");
  ASSERT_TRUE(OpenOutput(Path("old"), O_APPEND));
  EXPECT_EQ(Content(Path("old")), "before");
  ASSERT_TRUE(OpenOutput(Path("old"), O_TRUNC));
  EXPECT_EQ(Content(Path("old")), "");
}

TEST_F(OutputFileTest, ALinkIsFollowedToWhatIsThereAndNothingIsMadeThroughIt) {
  Fill(Path("target"), "before");
  std::filesystem::create_symlink(Path("target"), Path("link"));
  ASSERT_TRUE(OpenOutput(Path("link"), O_TRUNC));
  EXPECT_EQ(Content(Path("target")), "");
  EXPECT_TRUE(std::filesystem::is_symlink(Path("link")));

  std::filesystem::create_symlink(Path("nothing"), Path("dangling"));
  const auto refused = OpenOutput(Path("dangling"), O_TRUNC);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kUsage);
  EXPECT_FALSE(std::filesystem::exists(Path("nothing")));
}

// Without waiting: open(2) of a FIFO for writing alone sits there until somebody reads.
TEST_F(OutputFileTest, AFifoWithoutReaderIsOpenedAndKeepsWhatIsWritten) {
  ASSERT_EQ(mkfifo(Path("fifo").c_str(), 0600), 0);
  const auto fd = OpenOutput(Path("fifo"), O_TRUNC);
  ASSERT_TRUE(fd) << fd.error().message;
  ASSERT_EQ(write(fd->get(), "kept", 4), 4);
  const UniqueFd reader(open(Path("fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  char text[8] = {};
  EXPECT_EQ(read(reader.get(), text, sizeof text), 4);
  const std::string much(1U << 20U, 'x');
  EXPECT_LT(write(fd->get(), much.data(), much.size()), static_cast<ssize_t>(much.size()));
  EXPECT_EQ(write(fd->get(), much.data(), much.size()), -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST_F(OutputFileTest, RefusesWhatCannotBeWritten) {
  EXPECT_FALSE(OpenOutput(Path("no/such/folder"), O_TRUNC));
  EXPECT_FALSE(OpenOutput(Path(""), O_TRUNC)) << "a folder";
  const auto listener = ListenAt(Path("socket"));
  ASSERT_TRUE(listener);
  EXPECT_FALSE(OpenOutput(Path("socket"), O_TRUNC));
}

TEST_F(OutputFileTest, AFullFileMakesRoomForAnother) {
  auto file = OutputFile::Open(Path("out"), 10);
  ASSERT_TRUE(file) << file.error().message;
  for (const std::string text : {"12345", "67890"}) {
    EXPECT_EQ(file->MakeRoom(text.size()).value(), false);
    Write(*file, text);
  }
  EXPECT_EQ(file->MakeRoom(3).value(), true);
  Write(*file, "abc");
  EXPECT_EQ(Content(Path("out")), "abc");
  EXPECT_EQ(Content(Path("out.1")), "1234567890");
  EXPECT_EQ(file->MakeRoom(8).value(), true);
  Write(*file, "ABCDEFGH");
  EXPECT_EQ(Content(Path("out")), "ABCDEFGH");
  EXPECT_EQ(Content(Path("out.1")), "abc");
  EXPECT_FALSE(file->MakeRoom(11)) << "more than fits any file";
}

TEST_F(OutputFileTest, AFileThatSomebodyHasMovedAwayIsMadeAnew) {
  auto file = OutputFile::Open(Path("out"), 10);
  ASSERT_TRUE(file);
  ASSERT_TRUE(file->MakeRoom(10));
  std::filesystem::rename(Path("out"), Path("mine"));
  EXPECT_EQ(file->MakeRoom(3).value(), true);
  Write(*file, "abc");
  EXPECT_EQ(Content(Path("out")), "abc");
}

TEST_F(OutputFileTest, TheFileBehindALinkIsTheOneThatMakesRoom) {
  std::filesystem::create_directory(Path("logs"));
  Fill(Path("logs/out"), "");
  std::filesystem::create_symlink(Path("logs/out"), Path("link"));
  auto file = OutputFile::Open(Path("link"), 4);
  ASSERT_TRUE(file);
  ASSERT_TRUE(file->MakeRoom(4));
  Write(*file, "1234");
  EXPECT_EQ(file->MakeRoom(4).value(), true);
  EXPECT_TRUE(std::filesystem::is_symlink(Path("link")));
  EXPECT_EQ(Content(Path("logs/out.1")), "1234");
}

TEST_F(OutputFileTest, OnlyRegularFilesHaveALimitAndOnlyTheyAreReplaced) {
  ASSERT_EQ(mkfifo(Path("fifo").c_str(), 0600), 0);
  EXPECT_FALSE(OutputFile::Open(Path("fifo"), 1000));
  EXPECT_FALSE(OutputFile::Open("/dev/null", 1000));
  EXPECT_TRUE(OutputFile::Open("/dev/null", 0));

  ASSERT_EQ(mkfifo(Path("out.1").c_str(), 0600), 0);
  EXPECT_FALSE(OutputFile::Open(Path("out"), 1000));
  std::filesystem::remove(Path("out.1"));
  auto file = OutputFile::Open(Path("out"), 10);
  ASSERT_TRUE(file);
  ASSERT_TRUE(file->MakeRoom(10));
  std::filesystem::create_symlink(Path("elsewhere"), Path("out.1"));
  EXPECT_FALSE(file->MakeRoom(1)) << "made after the start";
  EXPECT_TRUE(std::filesystem::is_symlink(Path("out.1")));
}

}  // namespace
}  // namespace veneer
