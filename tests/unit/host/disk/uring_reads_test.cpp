// Reads through io_uring and past it: alone and in company, with and without the data at hand.

#include <fcntl.h>

#include <gtest/gtest.h>

#include "image_io.h"
#include "support/temporary_file.h"

namespace veneer {
namespace {

constexpr std::size_t kBlock = 4096;
constexpr std::uint64_t kBlocks = 64;

class UringReads : public ::testing::Test {
 protected:
  void SetUp() override {
    for (std::uint64_t i = 0; i < kBlocks; ++i) {
      file_.Write(i * kBlock, Pattern(kBlock, static_cast<unsigned>(i)));
    }
    DiskConfig config;
    config.path = file_.path();
    ASSERT_NO_FATAL_FAILURE(OpenBoth(config, image_, channel_));
  }
  void ForgetCache() {
    ASSERT_EQ(fsync(file_.fd()), 0);
    ASSERT_EQ(posix_fadvise(file_.fd(), 0, 0, POSIX_FADV_DONTNEED), 0);
  }

  TemporaryFile file_{kBlocks * kBlock};
  std::unique_ptr<DiskImage> image_;
  std::unique_ptr<DiskChannel> channel_;
};

TEST_F(UringReads, AloneAndCachedItHasEndedWithSubmit) {
  std::vector<std::byte> data(kBlock);
  DiskOperation read = Transfer(DiskAction::kRead, 3 * kBlock, data);
  channel_->Queue(read);
  channel_->Submit();
  EXPECT_EQ(channel_->Collect().size(), 1U);
  EXPECT_EQ(read.error, 0);
  EXPECT_EQ(data, Pattern(kBlock, 3));
}

TEST_F(UringReads, CollectingStartsWhatIsQueued) {
  std::vector<std::byte> data(kBlock);
  DiskOperation read = Transfer(DiskAction::kRead, 4 * kBlock, data);
  channel_->Queue(read);
  WaitForEnd(*channel_, 1);
  EXPECT_EQ(data, Pattern(kBlock, 4));
}

TEST_F(UringReads, AloneAndNotCached) {
  ASSERT_NO_FATAL_FAILURE(ForgetCache());
  for (std::uint64_t block : {0U, 17U, 63U}) {
    EXPECT_EQ(Read(*channel_, block * kBlock, kBlock),
              Pattern(kBlock, static_cast<unsigned>(block)));
  }
}

TEST_F(UringReads, OneAfterAnotherBeforeTheyAreSubmitted) {
  for (const bool cached : {true, false}) {
    if (!cached) {
      ASSERT_NO_FATAL_FAILURE(ForgetCache());
    }
    for (std::uint64_t count : {2U, 3U, 64U}) {
      std::vector<std::vector<std::byte>> data(count, std::vector<std::byte>(kBlock));
      std::vector<DiskOperation> reads;
      for (std::uint64_t i = 0; i < count; ++i) {
        reads.push_back(Transfer(DiskAction::kRead, i * kBlock, data[i]));
      }
      for (DiskOperation& read : reads) {
        channel_->Queue(read);
      }
      channel_->Submit();
      WaitForEnd(*channel_, count);
      for (std::uint64_t i = 0; i < count; ++i) {
        EXPECT_EQ(reads[i].error, 0);
        EXPECT_EQ(data[i], Pattern(kBlock, static_cast<unsigned>(i))) << i << " of " << count;
      }
    }
  }
}

TEST_F(UringReads, InScatteredPieces) {
  std::vector<std::byte> data(2 * kBlock);
  DiskOperation read = Transfer(DiskAction::kRead, 5 * kBlock, data);
  // The second half first.
  read.buffers = {iovec{data.data() + kBlock, kBlock}, iovec{data.data(), kBlock}};
  EXPECT_EQ(Perform(*channel_, read), 0);
  const std::vector<std::byte> first(data.begin() + kBlock, data.end());
  data.resize(kBlock);
  EXPECT_EQ(first, Pattern(kBlock, 5));
  EXPECT_EQ(data, Pattern(kBlock, 6));
}

TEST_F(UringReads, OfAFileThatHasBecomeShorterIsAnError) {
  ASSERT_EQ(ftruncate(file_.fd(), kBlock + 512), 0);
  std::vector<std::byte> data(2 * kBlock);
  DiskOperation read = Transfer(DiskAction::kRead, 0, data);
  EXPECT_EQ(Perform(*channel_, read), EIO);
}

}  // namespace
}  // namespace veneer
