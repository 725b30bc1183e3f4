// Errors of the host's disk reach the guest, each time, and nothing gets lost around them.

#include <sys/resource.h>

#include <csignal>
#include <fstream>

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
