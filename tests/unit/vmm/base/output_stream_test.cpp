#include "veneer/vmm/base/output_stream.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "support/scratch_directory.h"

namespace veneer {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::steady_clock;

std::span<const std::byte> Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

// Two ends of something that takes text and may not be read.
struct Ends {
  UniqueFd in;  // where the text comes out
  UniqueFd out;
};

Ends MakePipe() {
  std::array<int, 2> fds{};
  EXPECT_EQ(pipe2(fds.data(), O_CLOEXEC), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Ends MakeSockets() {
  std::array<int, 2> fds{};
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Ends MakeTerminal() {
  UniqueFd master(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  EXPECT_EQ(grantpt(master.get()), 0);
  EXPECT_EQ(unlockpt(master.get()), 0);
  UniqueFd terminal(open(ptsname(master.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  return {std::move(master), std::move(terminal)};
}

// The other way round: it cannot be opened anew, so that only the thread may write to it.
Ends MakeTerminalMaster() {
  Ends ends = MakeTerminal();
  return {std::move(ends.out), std::move(ends.in)};
}

// Reads until there is no writer any more.
std::string ReadAll(int fd) {
  std::string text;
  std::array<char, 4096> part{};
  for (;;) {
    const ssize_t got = read(fd, part.data(), part.size());
    if (got <= 0) {
      return text;
    }
    text.append(part.data(), static_cast<std::size_t>(got));
  }
}

class UnreadOutput : public ::testing::TestWithParam<Ends (*)()> {
 protected:
  // Fewer than the text that Flood() writes.
  static constexpr OutputStream::Limits kLimits{.kept_bytes = 100'000, .patience = milliseconds(0)};
  static constexpr std::size_t kLine = 1000;
  static constexpr std::size_t kLines = 1000;
};

TEST_P(UnreadOutput, DropsWhatIsTooMuchAndCountsIt) {
  const Ends ends = GetParam()();
  const int flags = fcntl(ends.out.get(), F_GETFL);
  OutputStream stream(OutputFile(UniqueFd(fcntl(ends.out.get(), F_DUPFD_CLOEXEC, 0))), kLimits);
  const std::string line(kLine, 'x');
  std::uint64_t dropped = 0;
  for (std::size_t i = 0; i < kLines; ++i) {
    dropped += stream.Write(Bytes(line));
  }
  EXPECT_GT(dropped, 0U);
  EXPECT_FALSE(stream.Reason().empty());
  // Kept: what its place takes. In the pipe, socket or terminal: less than a megabyte.
  EXPECT_LT(dropped, kLine * kLines);
  const std::uint64_t rest = stream.Flush(steady_clock::now());
  EXPECT_LE(rest, kLimits.kept_bytes);
  EXPECT_EQ(fcntl(ends.out.get(), F_GETFL), flags) << "which others may share";
}

TEST_P(UnreadOutput, EndsAtOnceAllTheSame) {
  const Ends ends = GetParam()();
  OutputStream stream(OutputFile(UniqueFd(fcntl(ends.out.get(), F_DUPFD_CLOEXEC, 0))), kLimits);
  const std::string line(kLine, 'x');
  for (std::size_t i = 0; i < kLines; ++i) {
    stream.WriteWithoutWaiting(Bytes(line));
  }
  // The destructor has it to do.
}

INSTANTIATE_TEST_SUITE_P(Kinds, UnreadOutput,
                         ::testing::Values(&MakePipe, &MakeSockets, &MakeTerminal,
                                           &MakeTerminalMaster));

TEST(OutputStream, ASlowReaderThatGoesOnReadingGetsEverything) {
  Ends ends = MakePipe();
  std::string received;
  std::thread reader([&] { received = ReadAll(ends.in.get()); });
  std::string sent;
  {
    OutputStream stream(OutputFile(std::move(ends.out)),
                        {.kept_bytes = 1000, .patience = minutes(1)});
    for (int i = 0; i < 20'000; ++i) {
      const std::string line = "line " + std::to_string(i) + "\n";
      EXPECT_EQ(stream.Write(Bytes(line)), 0U);
      sent += line;
    }
    EXPECT_EQ(stream.Flush(steady_clock::now() + minutes(1)), 0U);
  }
  reader.join();
  EXPECT_EQ(received, sent);
}

TEST(OutputStream, WhatWasKeptComesInOrderOnceSomebodyReads) {
  Ends ends = MakePipe();
  std::string sent;
  OutputStream stream(OutputFile(std::move(ends.out)), {.kept_bytes = 1'000'000});
  for (int i = 0; i < 20'000; ++i) {
    const std::string line = "line " + std::to_string(i) + "\n";
    EXPECT_EQ(stream.WriteWithoutWaiting(Bytes(line)), 0U);
    sent += line;
  }
  std::string received(sent.size(), '\0');
  std::size_t at = 0;
  while (at < received.size()) {
    const ssize_t got = read(ends.in.get(), received.data() + at, received.size() - at);
    ASSERT_GT(got, 0);
    at += static_cast<std::size_t>(got);
  }
  EXPECT_EQ(received, sent);
}

TEST(OutputStream, AReaderThatIsGoneIsAReason) {
  Ends ends = MakePipe();
  ends.in.Reset();
  const auto before = signal(SIGPIPE, SIG_IGN);
  OutputStream stream(OutputFile(std::move(ends.out)));
  std::uint64_t dropped = stream.Write(Bytes("nobody"));
  dropped += stream.Flush(steady_clock::now() + minutes(1));
  EXPECT_EQ(dropped, 6U);
  EXPECT_EQ(stream.Reason(), "Broken pipe");
  static_cast<void>(signal(SIGPIPE, before));
}

TEST(OutputStream, AFileGetsItsTextAtOnceAndAFullOneIsFollowedByANewOne) {
  const test::ScratchDirectory folder;
  const std::string path = folder.File("out");
  auto file = OutputFile::Open(path, 10);
  ASSERT_TRUE(file);
  OutputStream stream(std::move(file).value());
  EXPECT_EQ(stream.Write(Bytes("first")), 0U);
  std::stringstream first;
  first << std::ifstream(path).rdbuf();
  EXPECT_EQ(first.str(), "first");
  EXPECT_EQ(stream.Write(Bytes("second")), 0U);
  EXPECT_EQ(stream.Flush(std::chrono::steady_clock::now() + std::chrono::minutes(1)), 0U);
  std::stringstream text;
  text << std::ifstream(path).rdbuf() << "|" << std::ifstream(path + ".1").rdbuf();
  EXPECT_EQ(text.str(), "second|first");
  // What fits no file is dropped at once.
  EXPECT_EQ(stream.Write(Bytes("more than ten")), 13U);
}

TEST(OutputStream, AFullDiskIsAReason) {
  auto file = OutputFile::Open("/dev/full", 0);
  ASSERT_TRUE(file);
  OutputStream stream(std::move(file).value());
  EXPECT_EQ(stream.Write(Bytes("text")), 4U);
  EXPECT_EQ(stream.Reason(), "No space left on device");
}

}  // namespace
}  // namespace veneer
