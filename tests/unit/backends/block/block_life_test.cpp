// Connecting, closing, failing and going away, with requests under way.

#include <limits>
#include <random>

#include "block_fixture.h"

namespace veneer {
namespace {

using testing::Transfer;

TEST_F(BlockTest, FrontEndKeysThatCannotBeServed) {
  MakeFileDisk();
  const std::pair<const char*, const char*> bad[] = {{"ring-ref", "4294967295"},
                                                     {"ring-ref", "4294967296"},
                                                     {"ring-ref", "-1"},
                                                     {"ring-ref", ""},
                                                     {"event-channel", "0"},
                                                     {"event-channel", "4095"},
                                                     {"event-channel", "99999999999"},
                                                     {"protocol", "arm-abi"},
                                                     {"multi-queue-num-queues", "0"},
                                                     {"multi-queue-num-queues", "2"},
                                                     {"multi-queue-num-queues", "4294967297"},
                                                     {"ring-page-order", "5"},
                                                     {"ring-page-order", "4294967295"},
                                                     {"ring-page-order", "31"},
                                                     {"ring-page-order", "1"}};
  for (const auto& [key, value] : bad) {
    ASSERT_TRUE(front_.WaitForBack(XenbusState::kInitWait));
    front_.Initialise();
    ASSERT_TRUE(front_.WaitForBack(XenbusState::kConnected));
    ASSERT_TRUE(front_.Close());
    ASSERT_TRUE(front_.Reopen());
    front_.Write(key, value);
    front_.Say(XenbusState::kInitialised);
    ASSERT_TRUE(front_.WaitForBack(XenbusState::kClosing)) << key << "=" << value;
    front_.Say(XenbusState::kClosed);
    ASSERT_TRUE(front_.WaitForBack(XenbusState::kClosed));
    ASSERT_TRUE(front_.Reopen());
    static_cast<void>(guest_.store.Remove(front_.front() + "/ring-page-order"));
    static_cast<void>(guest_.store.Remove(front_.front() + "/multi-queue-num-queues"));
  }
  EXPECT_EQ(guest_.grants->mappings(), 0U);
}

// A disconnection waits for what the disk has begun: only then the pages are the guest's again.
TEST_F(BlockTest, ClosingWaitsForTheDisk) {
  FakeDiskImage& disk = MakeFakeDisk();
  Connect();
  const Buffer page = NewBuffer();
  disk.Hold(true);
  queue().Put(Transfer(BLKIF_OP_READ, 1, 0, {{page.ref}}));
  queue().Push();
  disk.WaitForSeen(1);
  front_.Say(XenbusState::kClosed);
  guest_.OnControl([] {});
  guest_.OnControl([] {});
  EXPECT_EQ(front_.Back("state"), "4");
  EXPECT_EQ(guest_.grants->mappings(), 2U);
  disk.Hold(false);
  EXPECT_TRUE(front_.WaitForBack(XenbusState::kClosed));
  EXPECT_EQ(guest_.grants->mappings(), 0U);
}

TEST_F(BlockTest, TheBackEndGoesWithRequestsUnderWay) {
  MakeFileDisk();
  Connect();
  const Buffer page = NewBuffer();
  for (int i = 0; i < 30; ++i) {
    queue().Put(Transfer(BLKIF_OP_READ, 1, 0, {{page.ref}}));
  }
  queue().Push();
  guest_.OnControl([this] { backend_.reset(); });
  EXPECT_EQ(guest_.grants->mappings(), 0U);
}

// Storage that does not answer does not keep Veneer from ending.
TEST_F(BlockTest, TheBackEndGoesWithADiskThatHangs) {
  FakeDiskImage& disk = MakeFakeDisk();
  Connect();
  const Buffer page = NewBuffer();
  disk.Hold(true);
  queue().Put(Transfer(BLKIF_OP_WRITE, 1, 0, {{page.ref}}));
  queue().Push();
  disk.WaitForSeen(1);
  guest_.OnControl([this] { backend_.reset(); });
  EXPECT_EQ(guest_.grants->mappings(), 0U);
}

TEST_F(BlockTest, TheGuestLearnsTheSizeOfSectors) {
  FakeDiskImage& disk = MakeFakeDisk();
  disk.SetLogicalSector(4096);
  Connect();
  EXPECT_EQ(front_.Back("sector-size"), "4096");
  EXPECT_EQ(front_.Back("physical-sector-size"), "4096");
  EXPECT_EQ(front_.Back("sectors"), std::to_string(kSectors)) << "of 512 bytes nevertheless";
}

TEST_F(BlockTest, ConnectAndDisconnectStorm) {
  config_.queues = 2;
  MakeFileDisk();
  std::mt19937 generator(7);
  const auto random = [&generator] { return static_cast<unsigned>(generator()); };
  const Buffer page = NewBuffer();
  for (int round = 0; round < 60; ++round) {
    const unsigned queues = 1 + random() % 2;
    Connect(queues, random() % 2);
    for (unsigned i = 0; i < queues; ++i) {
      for (unsigned k = random() % 20; k > 0; --k) {
        front_.queue(i).Put(Transfer(BLKIF_OP_READ, k, k, {{page.ref}}));
      }
      front_.queue(i).Push();
    }
    ASSERT_TRUE(front_.StartOver(random));
  }
  EXPECT_EQ(guest_.grants->mappings(), 0U);
}

TEST_F(BlockTest, AResizeIsSeenAndTheNewSectorsWork) {
  MakeFileDisk();
  Connect();
  const Buffer page = NewBuffer();
  EXPECT_EQ(queue().Do(Transfer(BLKIF_OP_WRITE, 1, kSectors, {{page.ref}})).status,
            BLKIF_RSP_ERROR);
  ASSERT_EQ(ftruncate(file_.fd(), kDiskBytes * 2), 0);
  guest_.OnControl([this] { EXPECT_TRUE(backend_->Resize().has_value()); });
  EXPECT_EQ(front_.Back("sectors"), std::to_string(kSectors * 2));
  EXPECT_EQ(front_.Back("state"), "4");
  EXPECT_EQ(queue().Do(Transfer(BLKIF_OP_WRITE, 1, kSectors, {{page.ref}})).status, BLKIF_RSP_OKAY);
}

TEST_F(BlockTest, HotRemoval) {
  MakeFileDisk();
  Connect();
  std::promise<void> removed;
  guest_.OnControl([&] { backend_->Remove([&] { removed.set_value(); }); });
  EXPECT_EQ(front_.Back("state"), "5");
  const Buffer page = NewBuffer();
  EXPECT_EQ(queue().Do(Transfer(BLKIF_OP_READ, 1, 0, {{page.ref}})).status, BLKIF_RSP_OKAY)
      << "until the front-end has closed";
  front_.Say(XenbusState::kClosed);
  ASSERT_EQ(removed.get_future().wait_for(testing::kPatience), std::future_status::ready);
  EXPECT_EQ(front_.Back("state"), "(none)");
  EXPECT_EQ(guest_.grants->mappings(), 0U);
}

// A guest that never takes a response cannot make us keep more than its ring.
TEST_F(BlockTest, AGuestThatStopsReceiving) {
  MakeFileDisk();
  Connect();
  const Buffer page = NewBuffer();
  const std::uint32_t size = queue().ring().size();
  for (std::uint32_t i = 0; i < size; ++i) {
    queue().Put(Transfer(BLKIF_OP_READ, i, 0, {{page.ref}}));
  }
  queue().Push();
  while (queue().ring().rsp_prod().load() != size) {
    ASSERT_TRUE(queue().ring().AskForEvent(size) || guest_.WaitForUpcall());
  }
  // All answered and none taken; what it queues now would overwrite answers.
  queue().ring().req_prod().fetch_add(size);
  queue().Kick();
  while (queue().ring().rsp_prod().load() != 2 * size) {
    queue().ring().rsp_event().store(2 * size);
    if (queue().ring().rsp_prod().load() == 2 * size) {
      break;
    }
    ASSERT_TRUE(guest_.WaitForUpcall());
  }
  EXPECT_EQ(guest_.grants->mappings(), 1U);
}

}  // namespace
}  // namespace veneer
