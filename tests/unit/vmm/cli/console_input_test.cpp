#include "src/vmm/cli/console_input.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "veneer/vmm/base/unique_fd.h"

namespace veneer {
namespace {

// A guest that takes at most `room` bytes in all, and stops the loop when it has `enough`.
class ConsoleInputTest : public ::testing::Test {
 protected:
  std::size_t Take(std::span<const std::byte> text) {
    const std::size_t taken = std::min(text.size(), room_);
    for (const std::byte byte : text.first(taken)) {
      received_.push_back(static_cast<char>(byte));
    }
    room_ -= taken;
    if (received_.size() >= enough_ || room_ == 0) {
      loop_->Stop();
    }
    return taken;
  }

  std::unique_ptr<ConsoleInput> MakeInput(int fd) {
    return std::make_unique<ConsoleInput>(
        *loop_, fd, [this](std::span<const std::byte> text) { return Take(text); },
        [](std::span<const std::byte> text) { return std::vector(text.begin(), text.end()); });
  }

  std::unique_ptr<EventLoop> loop_ = EventLoop::Create().value();
  std::string received_;
  std::size_t room_ = 1'000'000;
  std::size_t enough_ = 0;
};

TEST_F(ConsoleInputTest, TellsItsEndOnceEverythingIsTaken) {
  std::array<int, 2> fds{};
  ASSERT_EQ(pipe2(fds.data(), O_CLOEXEC), 0);
  const UniqueFd read_end(fds[0]);
  UniqueFd write_end(fds[1]);
  std::string at_the_end;
  ConsoleInput input(
      *loop_, read_end.get(),
      [this](std::span<const std::byte> text) {
        for (const std::byte byte : text) {
          received_.push_back(static_cast<char>(byte));
        }
        return text.size();
      },
      [](std::span<const std::byte> text) { return std::vector(text.begin(), text.end()); },
      [this, &at_the_end] {
        at_the_end = received_;
        loop_->Stop();
      });
  ASSERT_EQ(write(write_end.get(), "bye", 3), 3);
  write_end.Reset();
  input.Start();
  loop_->Run();
  EXPECT_EQ(at_the_end, "bye");
}

TEST_F(ConsoleInputTest, CarriesWhatArrivesOnAPipe) {
  std::array<int, 2> fds{};
  ASSERT_EQ(pipe2(fds.data(), O_CLOEXEC), 0);
  const UniqueFd read_end(fds[0]);
  const UniqueFd write_end(fds[1]);
  const auto input = MakeInput(read_end.get());
  input->Start();
  ASSERT_EQ(write(write_end.get(), "hello", 5), 5);
  enough_ = 5;
  loop_->Run();
  EXPECT_EQ(received_, "hello");
}

TEST_F(ConsoleInputTest, KeepsWhatTheGuestCannotTakeYet) {
  std::array<int, 2> fds{};
  ASSERT_EQ(pipe2(fds.data(), O_CLOEXEC), 0);
  const UniqueFd read_end(fds[0]);
  UniqueFd write_end(fds[1]);
  ASSERT_EQ(write(write_end.get(), "abcdef", 6), 6);
  room_ = 2;
  const auto input = MakeInput(read_end.get());
  input->Start();
  loop_->Run();
  EXPECT_EQ(received_, "ab");
  room_ = 100;
  input->OnRoom();
  EXPECT_EQ(received_, "abcdef");
}

TEST_F(ConsoleInputTest, ReadsPlainFilesWhichCannotBePolled) {
  const UniqueFd file(memfd_create("input", MFD_CLOEXEC));
  const std::string content(5000, 'z');
  ASSERT_EQ(write(file.get(), content.data(), content.size()), 5000);
  ASSERT_EQ(lseek(file.get(), 0, SEEK_SET), 0);
  enough_ = content.size();
  const auto input = MakeInput(file.get());
  input->Start();
  loop_->Run();
  EXPECT_EQ(received_, content);
}

// The start does not wait for the end of it, nor does anything else on the loop.
TEST_F(ConsoleInputTest, EndlessInputLeavesTheLoopItsOtherWork) {
  const UniqueFd zero(open("/dev/zero", O_RDONLY | O_CLOEXEC));
  room_ = std::size_t{1} << 40U;
  enough_ = std::size_t{1} << 40U;
  const auto input = MakeInput(zero.get());
  input->Start();
  int rounds = 0;
  const std::function<void()> other_work = [&] {
    if (++rounds == 10) {
      loop_->Stop();
    } else {
      loop_->Post(other_work);
    }
  };
  loop_->Post(other_work);
  loop_->Run();
  EXPECT_EQ(rounds, 10);
  EXPECT_GE(received_.size(), 1024U);
}

// As when a descriptor of that number is watched already, so that it cannot be watched once more.
TEST_F(ConsoleInputTest, WhatCanNeitherBeReadNorWaitedForHasEnded) {
  std::array<int, 2> fds{};
  ASSERT_EQ(pipe2(fds.data(), O_CLOEXEC | O_NONBLOCK), 0);
  const UniqueFd read_end(fds[0]);
  const UniqueFd write_end(fds[1]);
  ASSERT_TRUE(loop_->AddFd(read_end.get(), 0, [](std::uint32_t) {}));
  const auto input = MakeInput(read_end.get());
  input->Start();
  loop_->Post([&] { loop_->Post([&] { loop_->Stop(); }); });
  loop_->Run();
  ASSERT_EQ(write(write_end.get(), "late", 4), 4);
  input->OnRoom();
  EXPECT_EQ(received_, "");
  loop_->RemoveFd(read_end.get());
}

TEST_F(ConsoleInputTest, WhatAnotherReaderHasTakenIsNotWaitedFor) {
  std::array<int, 2> fds{};
  ASSERT_EQ(pipe2(fds.data(), O_CLOEXEC), 0);
  const UniqueFd read_end(fds[0]);
  const UniqueFd write_end(fds[1]);
  char byte = 0;
  const iovec place{&byte, 1};
  if (preadv2(read_end.get(), &place, 1, -1, RWF_NOWAIT) >= 0 || errno != EAGAIN) {
    GTEST_SKIP() << "this kernel cannot read a pipe without waiting";
  }
  ASSERT_EQ(write(write_end.get(), "gone", 4), 4);
  // Watched and found ready in the same round, and read before the input's turn comes.
  const UniqueFd same(fcntl(read_end.get(), F_DUPFD_CLOEXEC, 0));
  ASSERT_TRUE(loop_->AddFd(same.get(), EPOLLIN, [&](std::uint32_t) {
    std::array<char, 4> text{};
    EXPECT_EQ(read(same.get(), text.data(), text.size()), 4);
    loop_->Stop();
  }));
  const auto input = MakeInput(read_end.get());
  input->Start();
  loop_->Run();
  EXPECT_EQ(received_, "");
  loop_->RemoveFd(same.get());
}

}  // namespace
}  // namespace veneer
