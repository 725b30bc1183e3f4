#include "veneer/vmm/base/text_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "support/scratch_directory.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer {
namespace {

class TextFileTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const { return folder_.File(name); }
  static std::string Content(const std::string& path) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  static void Fill(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
  }
  static struct stat Status(const std::string& path) {
    struct stat status {};
    EXPECT_EQ(lstat(path.c_str(), &status), 0);
    return status;
  }
  std::size_t FilesInFolder() const {
    const std::filesystem::directory_iterator files(folder_.path());
    return static_cast<std::size_t>(std::distance(begin(files), end(files)));
  }

 private:
  const test::ScratchDirectory folder_;
};

TEST_F(TextFileTest, MakesAFileForItsOwnerAlone) {
  ASSERT_TRUE(ReplaceFile(Path("new"), "text"));
  EXPECT_EQ(Content(Path("new")), "text");
  EXPECT_EQ(Status(Path("new")).st_mode & 07777U, 0600U);
  EXPECT_EQ(FilesInFolder(), 1U);
}

TEST_F(TextFileTest, ReplacesAFileAsAWholeAndKeepsItsMode) {
  Fill(Path("old"), "a longer text");
  ASSERT_EQ(chmod(Path("old").c_str(), 0640), 0);
  const ino_t before = Status(Path("old")).st_ino;
  ASSERT_TRUE(ReplaceFile(Path("old"), "text"));
  EXPECT_EQ(Content(Path("old")), "text");
  EXPECT_NE(Status(Path("old")).st_ino, before);
  EXPECT_EQ(Status(Path("old")).st_mode & 07777U, 0640U);
  EXPECT_EQ(FilesInFolder(), 1U);
}

TEST_F(TextFileTest, LeavesAlikeNamedFilesAlone) {
  Fill(Path("victim"), "precious");
  std::filesystem::create_symlink(Path("victim"), Path("m.new"));
  ASSERT_TRUE(ReplaceFile(Path("m"), "text"));
  EXPECT_EQ(Content(Path("victim")), "precious");
}

TEST_F(TextFileTest, ALinkStaysALink) {
  std::filesystem::create_directory(Path("there"));
  Fill(Path("there/file"), "before");
  std::filesystem::create_symlink(Path("there/file"), Path("link"));
  ASSERT_TRUE(ReplaceFile(Path("link"), "text"));
  EXPECT_TRUE(S_ISLNK(Status(Path("link")).st_mode));
  EXPECT_EQ(Content(Path("there/file")), "text");
}

TEST_F(TextFileTest, ALinkToNothingIsRefused) {
  std::filesystem::create_symlink(Path("nothing"), Path("link"));
  const auto refused = ReplaceFile(Path("link"), "text");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kUsage);
  EXPECT_TRUE(S_ISLNK(Status(Path("link")).st_mode));
}

TEST_F(TextFileTest, AFifoIsWrittenTo) {
  ASSERT_EQ(mkfifo(Path("fifo").c_str(), 0600), 0);
  const auto unread = ReplaceFile(Path("fifo"), "text");
  ASSERT_FALSE(unread);
  EXPECT_NE(unread.error().message.find("nobody reads it"), std::string::npos);
  const UniqueFd reader(open(Path("fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  ASSERT_TRUE(ReplaceFile(Path("fifo"), "text"));
  std::array<char, 8> text{};
  EXPECT_EQ(read(reader.get(), text.data(), text.size()), 4);
  EXPECT_TRUE(S_ISFIFO(Status(Path("fifo")).st_mode));
}

TEST_F(TextFileTest, ADeviceIsWrittenTo) {
  ASSERT_TRUE(ReplaceFile("/dev/null", "text"));
  EXPECT_TRUE(S_ISCHR(Status("/dev/null").st_mode));
  EXPECT_FALSE(ReplaceFile("/dev/full", "text"));
}

// A file that standard output goes to is not taken away from under it.
TEST_F(TextFileTest, StandardOutputIsWrittenTo) {
  const UniqueFd before(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0));
  {
    const UniqueFd file(open(Path("out").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    ASSERT_EQ(write(file.get(), "printed ", 8), 8);
    ASSERT_EQ(dup2(file.get(), STDOUT_FILENO), STDOUT_FILENO);
  }
  const auto written = ReplaceFile("/dev/stdout", "text");
  ASSERT_EQ(dup2(before.get(), STDOUT_FILENO), STDOUT_FILENO);
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_EQ(Content(Path("out")), "printed text");
}

TEST_F(TextFileTest, SaysWhatCannotBeWritten) {
  for (const std::string& path : {Path("no/such/folder"), Path("")}) {
    const auto refused = ReplaceFile(path, "text");
    ASSERT_FALSE(refused) << path;
    EXPECT_NE(refused.error().message.find(path), std::string::npos);
  }
}

TEST_F(TextFileTest, ReadsAllOfAFileUpToALimit) {
  Fill(Path("f"), std::string("a\0b", 3));
  EXPECT_EQ(ReadTextFile(Path("f"), 3).value(), std::string("a\0b", 3));
  EXPECT_NE(ReadTextFile(Path("f"), 2).error().message.find("larger"), std::string::npos);
  for (const std::string& path : {Path("none"), std::string("/dev/zero"), Path("")}) {
    const auto text = ReadTextFile(path, 10);
    ASSERT_FALSE(text) << path;
    EXPECT_EQ(text.error().kind, ErrorKind::kUsage);
    EXPECT_NE(text.error().message.find(path), std::string::npos);
  }
}

TEST_F(TextFileTest, ReadsAPipeAndDoesNotWaitForAFifo) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd in(ends[0]);
  UniqueFd out(ends[1]);
  ASSERT_EQ(write(out.get(), "text", 4), 4);
  out.Reset();
  EXPECT_EQ(ReadTextFile("/proc/self/fd/" + std::to_string(in.get()), 10).value(), "text");
  ASSERT_EQ(mkfifo(Path("fifo").c_str(), 0600), 0);
  EXPECT_EQ(ReadTextFile(Path("fifo"), 10).value(), "");
}

}  // namespace
}  // namespace veneer
