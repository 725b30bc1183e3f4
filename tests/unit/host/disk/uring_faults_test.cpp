// Flushes that fail, and a kernel that has no memory for requests.

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <thread>

#include <gtest/gtest.h>

#include "image_io.h"
#include "src/host/disk/uring_channel.h"
#include "support/eventually.h"
#include "support/temporary_file.h"

namespace veneer {
namespace {

std::unique_ptr<DiskChannel> ChannelTo(int file, FlushRecord& flushes) {
  UringChannel::Files files;
  files.file = file;
  files.flushes = &flushes;
  auto channel = UringChannel::Create(files);
  EXPECT_TRUE(channel.has_value()) << channel.error().message;
  return channel ? std::move(*channel) : nullptr;
}

TEST(FailedFlush, IsRemembered) {
  FlushRecord flushes;
  std::array<int, 2> pipe_ends{};
  ASSERT_EQ(pipe2(pipe_ends.data(), O_CLOEXEC), 0);
  const UniqueFd reading(pipe_ends[0]);
  const UniqueFd writing(pipe_ends[1]);
  // A pipe cannot be flushed.
  const auto failing = ChannelTo(writing.get(), flushes);
  ASSERT_NE(failing, nullptr);
  EXPECT_EQ(flushes.error(), 0);
  const int error = Flush(*failing);
  EXPECT_NE(error, 0);
  EXPECT_EQ(flushes.error(), error);
}

// On every channel of the image, although this file can be flushed.
TEST(FailedFlush, FailsAllThatFollow) {
  const TemporaryFile file(1U << 20U);
  FlushRecord flushes;
  const auto channel = ChannelTo(file.fd(), flushes);
  ASSERT_NE(channel, nullptr);
  EXPECT_EQ(Flush(*channel), 0);
  flushes.Failed(EIO);
  flushes.Failed(ENOSPC);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Flush(*channel), EIO) << "the first one's";
  }
  EXPECT_EQ(Write(*channel, 0, Pattern(4096, 1)), 0) << "writing goes on";
}

// What fails may be tried again by its owner: nothing of it points into what is gone.
TEST(GuardedHeader, AWriteThatFailedIsAsItWas) {
  const UniqueFd full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(full.valid());
  FlushRecord flushes;
  HeaderGuard guard("disk");
  UringChannel::Files files;
  files.file = full.get();
  files.guard = &guard;
  files.flushes = &flushes;
  const std::unique_ptr<DiskChannel> channel = UringChannel::Create(files).value();
  std::vector<std::byte> bytes(8192, std::byte{7});
  DiskOperation operation;
  operation.action = DiskAction::kWrite;
  operation.length = bytes.size();
  operation.buffers = {{bytes.data(), 2048}, {bytes.data() + 2048, 6144}};
  for (int attempt = 0; attempt < 3; ++attempt) {
    channel->Queue(operation);
    channel->Submit();
    ASSERT_TRUE(testing::Eventually([&] { return !channel->Collect().empty(); }));
    EXPECT_EQ(operation.error, ENOSPC);
    EXPECT_EQ(operation.offset, 0U);
    EXPECT_EQ(operation.length, bytes.size());
    ASSERT_EQ(operation.buffers.size(), 2U);
    EXPECT_EQ(operation.buffers[0].iov_base, bytes.data());
    EXPECT_EQ(operation.buffers[1].iov_base, bytes.data() + 2048);
  }
}

// From now on this thread's io_uring_enter() fails as the kernel's does without memory.
void RefuseSubmissions(int error) {
  constexpr auto kNumber = static_cast<unsigned>(offsetof(seccomp_data, nr));
  std::array<sock_filter, 4> program{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kNumber),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_enter, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  ASSERT_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  ASSERT_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
}

TEST(KernelWithoutMemory, RequestsAreDoneAllTheSame) {
  for (const int error : {ENOMEM, EAGAIN}) {
    const TemporaryFile file(4U << 20U);
    // A thread of its own, which takes the filter with it.
    std::thread([&file, error] {
      FlushRecord flushes;
      const auto channel = ChannelTo(file.fd(), flushes);
      ASSERT_NE(channel, nullptr);
      ASSERT_NO_FATAL_FAILURE(RefuseSubmissions(error));
      // More than the ring has room for, and none of whole pages, which would not come to it.
      constexpr std::size_t kCount = 300;
      std::vector<std::vector<std::byte>> data;
      std::vector<DiskOperation> operations;
      for (std::size_t i = 0; i < kCount; ++i) {
        data.push_back(Pattern(512, static_cast<unsigned>(i)));
        operations.push_back(Transfer(DiskAction::kWrite, i * 1024 + 512, data.back()));
      }
      for (DiskOperation& operation : operations) {
        channel->Queue(operation);
      }
      channel->Submit();
      WaitForEnd(*channel, kCount);
      for (std::size_t i = 0; i < kCount; ++i) {
        EXPECT_EQ(operations[i].error, 0);
        EXPECT_EQ(file.Read(i * 1024 + 512, 512), data[i]);
      }
      EXPECT_EQ(Flush(*channel), 0);
      EXPECT_EQ(Discard(*channel, 0, 4096), 0);
      EXPECT_EQ(Read(*channel, 0, 4096), std::vector<std::byte>(4096));
      EXPECT_EQ(Read(*channel, 7 * 1024 + 512, 512), data[7]);
    }).join();
  }
}

}  // namespace
}  // namespace veneer
