// Errors of the host's disk reach the guest, each time, and nothing gets lost around them.

#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <future>

#include "block_fixture.h"
#include "support/scratch_directory.h"

namespace veneer {
namespace {

using testing::Discard;
using testing::Transfer;

TEST_F(BlockTest, EachErrorOfTheHostFailsItsRequestOnly) {
  FakeDiskImage& disk = MakeFakeDisk();
  Connect();
  const Buffer page = NewBuffer();
  for (const int error : {EIO, ENOSPC, EROFS, EINVAL, ENOMEM}) {
    disk.SetVerdict([error](const DiskOperation& operation) {
      return operation.offset == 8 * 512 ? error : 0;
    });
    for (const int operation : {BLKIF_OP_READ, BLKIF_OP_WRITE}) {
      queue().Put(Transfer(operation, 1, 0, {{page.ref}}));
      queue().Put(Transfer(operation, 2, 8, {{page.ref}}));
      queue().Put(Transfer(operation, 3, 16, {{page.ref}}));
      queue().Push();
      for (int i = 0; i < 3; ++i) {
        const blkif_response response = queue().Wait();
        EXPECT_EQ(response.status, response.id == 2 ? BLKIF_RSP_ERROR : BLKIF_RSP_OKAY);
      }
    }
  }
  EXPECT_EQ(Count("errors"), 10U);
}

class BlockOnError : public BlockTest {
 protected:
  BlockOnError() {
    config_.on_error = DiskOnError::kPause;
    on_failure_ = [this](const DiskFailure& failure) {
      sentence_ = failure.sentence;
      failed_.set_value();
    };
  }
  void WaitForFailure() {
    ASSERT_EQ(failed_.get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
    failed_ = {};
  }
  // Connects, and has a write fail of a host whose disk is full.
  void WriteWithoutRoom(FakeDiskImage& disk) {
    disk.SetVerdict([](const DiskOperation&) { return ENOSPC; });
    Connect();
    const Buffer page = NewBuffer();
    queue().Put(Transfer(BLKIF_OP_WRITE, 1, 0, {{page.ref}}));
    queue().Push();
    WaitForFailure();
  }
  std::promise<void> failed_;
  std::string sentence_;
};

TEST_F(BlockOnError, WhatFailedIsTriedAgainWhenTheGuestIsResumed) {
  FakeDiskImage& disk = MakeFakeDisk();
  ASSERT_NO_FATAL_FAILURE(WriteWithoutRoom(disk));
  EXPECT_EQ(sentence_, "disk xvda ('fake'): writing failed: No space left on device");
  guest_.OnControl([this] { backend_->Retry(); });
  ASSERT_NO_FATAL_FAILURE(WaitForFailure()) << "and again, as long as there is no room";
  EXPECT_FALSE(queue().ring().HasResponse());
  disk.SetVerdict(nullptr);
  guest_.OnControl([this] { backend_->Retry(); });
  EXPECT_EQ(queue().Wait().status, BLKIF_RSP_OKAY);
}

TEST_F(BlockOnError, AFlushIsNotTriedAgain) {
  FakeDiskImage& disk = MakeFakeDisk();
  disk.SetVerdict([](const DiskOperation&) { return EIO; });
  Connect();
  queue().Put(Transfer(BLKIF_OP_FLUSH_DISKCACHE, 1, 0, {}));
  queue().Push();
  ASSERT_NO_FATAL_FAILURE(WaitForFailure());
  disk.SetVerdict(nullptr);
  guest_.OnControl([this] { backend_->Retry(); });
  EXPECT_EQ(queue().Wait().status, BLKIF_RSP_ERROR);
  EXPECT_EQ(disk.Seen().size(), 1U);
}

TEST_F(BlockOnError, OtherErrorsAreTold) {
  FakeDiskImage& disk = MakeFakeDisk();
  disk.SetVerdict([](const DiskOperation&) { return EINVAL; });
  Connect();
  const Buffer page = NewBuffer();
  EXPECT_EQ(queue().Do(Transfer(BLKIF_OP_WRITE, 1, 0, {{page.ref}})).status, BLKIF_RSP_ERROR);
}

TEST_F(BlockOnError, TheBackEndGoesWithWhatIsHeldBack) {
  ASSERT_NO_FATAL_FAILURE(WriteWithoutRoom(MakeFakeDisk()));
  front_.Say(XenbusState::kClosed);
  EXPECT_TRUE(front_.WaitForBack(XenbusState::kClosed));
  EXPECT_EQ(guest_.grants->mappings(), 0U);
}

TEST_F(BlockTest, ADiscardTheHostCannotDoIsNotSupported) {
  FakeDiskImage& disk = MakeFakeDisk();
  disk.SetVerdict([](const DiskOperation&) { return EOPNOTSUPP; });
  Connect();
  EXPECT_EQ(queue().Do(Discard(1, 0, 8)).status, BLKIF_RSP_EOPNOTSUPP);
}

TEST_F(BlockTest, AnErrorIsLoggedOnce) {
  const test::ScratchDirectory scratch;
  const std::string log = scratch.File("log");
  ASSERT_TRUE(ConfigureLog(LogLevel::kInfo, log).has_value());
  FakeDiskImage& disk = MakeFakeDisk();
  disk.SetVerdict([](const DiskOperation&) { return ENOSPC; });
  Connect();
  const Buffer page = NewBuffer();
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(queue().Do(Transfer(BLKIF_OP_WRITE, 1, 0, {{page.ref}})).status, BLKIF_RSP_ERROR);
  }
  ASSERT_TRUE(ConfigureLog(LogLevel::kInfo, "").has_value());
  std::ifstream file(log);
  std::string line;
  int lines = 0;
  while (std::getline(file, line)) {
    lines += line.find("No space left") != std::string::npos ? 1 : 0;
  }
  EXPECT_EQ(lines, 1);
}

// A file that has become shorter than the disk it was: reads past its end are errors, not zeros and
// not a hang.
TEST_F(BlockTest, AFileCutShortUnderTheGuest) {
  MakeFileDisk();
  Connect();
  ASSERT_EQ(ftruncate(file_.fd(), 3 * 4096 + 512), 0);
  const Buffer page = NewBuffer();
  EXPECT_EQ(queue().Do(Transfer(BLKIF_OP_READ, 1, 0, {{page.ref}})).status, BLKIF_RSP_OKAY);
  EXPECT_EQ(queue().Do(Transfer(BLKIF_OP_READ, 2, 24, {{page.ref}})).status, BLKIF_RSP_ERROR);
  EXPECT_EQ(queue().Do(Transfer(BLKIF_OP_READ, 3, 2400, {{page.ref}})).status, BLKIF_RSP_ERROR);
  EXPECT_EQ(queue().Do(Transfer(BLKIF_OP_READ, 4, 8, {{page.ref}})).status, BLKIF_RSP_OKAY);
}

}  // namespace
}  // namespace veneer
