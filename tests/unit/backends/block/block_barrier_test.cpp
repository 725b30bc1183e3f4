// What comes before a barrier is on the disk before it, and what comes after waits for it.

#include "block_fixture.h"

namespace veneer {
namespace {

using testing::Transfer;
using Actions = std::vector<DiskAction>;
constexpr DiskAction kRead = DiskAction::kRead;
constexpr DiskAction kWrite = DiskAction::kWrite;
constexpr DiskAction kFlush = DiskAction::kFlush;

TEST_F(BlockTest, ABarrierOrdersEverything) {
  FakeDiskImage& disk = MakeFakeDisk();
  Connect();
  const Buffer page = NewBuffer();
  disk.Hold(true);
  for (std::uint64_t id = 1; id <= 3; ++id) {
    queue().Put(Transfer(BLKIF_OP_WRITE, id, id * 8, {{page.ref}}));
  }
  queue().Put(Transfer(BLKIF_OP_WRITE_BARRIER, 4, 32, {{page.ref}}));
  queue().Put(Transfer(BLKIF_OP_READ, 5, 0, {{page.ref}}));
  queue().Push();
  disk.WaitForSeen(3);
  guest_.OnControl([] {});
  EXPECT_EQ(disk.Seen(), (Actions{kWrite, kWrite, kWrite})) << "the barrier waits for these";
  disk.Hold(false);
  std::vector<std::uint64_t> order;
  for (int i = 0; i < 5; ++i) {
    const blkif_response response = queue().Wait();
    EXPECT_EQ(response.status, BLKIF_RSP_OKAY);
    order.push_back(response.id);
  }
  EXPECT_EQ(order[3], 4U);
  EXPECT_EQ(order[4], 5U);
  EXPECT_EQ(disk.Seen(), (Actions{kWrite, kWrite, kWrite, kFlush, kWrite, kFlush, kRead}));
}

TEST_F(BlockTest, ABarrierWithoutDataIsAFlushInOrder) {
  FakeDiskImage& disk = MakeFakeDisk();
  Connect();
  const Buffer page = NewBuffer();
  queue().Put(Transfer(BLKIF_OP_WRITE, 1, 0, {{page.ref}}));
  queue().Put(Transfer(BLKIF_OP_WRITE_BARRIER, 2, 0, {}));
  queue().Put(Transfer(BLKIF_OP_WRITE_BARRIER, 3, 0, {}));
  queue().Put(Transfer(BLKIF_OP_WRITE, 4, 0, {{page.ref}}));
  queue().Push();
  for (std::uint64_t id = 1; id <= 4; ++id) {
    EXPECT_EQ(queue().Wait().id, id);
  }
  EXPECT_EQ(disk.Seen(), (Actions{kWrite, kFlush, kFlush, kWrite}));
}

TEST_F(BlockTest, ABarrierThatFailsDoesNotStopTheRest) {
  FakeDiskImage& disk = MakeFakeDisk();
  disk.SetVerdict([](const DiskOperation& operation) {
    return operation.action == DiskAction::kFlush ? EIO : 0;
  });
  Connect();
  const Buffer page = NewBuffer();
  queue().Put(Transfer(BLKIF_OP_WRITE_BARRIER, 1, 0, {{page.ref}}));
  queue().Put(Transfer(BLKIF_OP_WRITE, 2, 0, {{page.ref}}));
  queue().Push();
  EXPECT_EQ(queue().Wait().status, BLKIF_RSP_ERROR);
  EXPECT_EQ(queue().Wait().status, BLKIF_RSP_OKAY);
  EXPECT_EQ(disk.Seen(), (Actions{kFlush, kWrite})) << "its data is not written after that";
}

TEST_F(BlockTest, UnsafeCacheFlushesNothing) {
  config_.cache = DiskCache::kUnsafe;
  FakeDiskImage& disk = MakeFakeDisk();
  Connect();
  const Buffer page = NewBuffer();
  EXPECT_EQ(queue().Do(Transfer(BLKIF_OP_FLUSH_DISKCACHE, 1, 0, {})).status, BLKIF_RSP_OKAY);
  EXPECT_EQ(queue().Do(Transfer(BLKIF_OP_WRITE_BARRIER, 2, 0, {})).status, BLKIF_RSP_OKAY);
  EXPECT_EQ(queue().Do(Transfer(BLKIF_OP_WRITE_BARRIER, 3, 0, {{page.ref}})).status,
            BLKIF_RSP_OKAY);
  EXPECT_EQ(disk.Seen(), Actions{kWrite});
}

}  // namespace
}  // namespace veneer
