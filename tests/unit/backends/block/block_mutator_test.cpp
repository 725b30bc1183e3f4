// XSA-155's family: a guest that rewrites rings, segment lists and grants while they are used. The
// back-end lives on, touches no page that was not granted, and serves the next front-end.

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

#include "block_fixture.h"

namespace veneer {
namespace {

using testing::Indirect;
using testing::PutSegments;
using testing::Transfer;

class BlockMutatorTest : public BlockTest {
 protected:
  // Somebody else's pages lie around those that are granted.
  struct Fenced {
    Buffer buffer;
    Gfn fence;
  };
  Fenced NewFenced() {
    const Buffer buffer = NewBuffer();
    const Gfn fence = guest_.NewPage();
    Fill(fence, std::vector<std::byte>(kPageSize, std::byte{0x5a}));
    return {buffer, fence};
  }
  bool Intact(Gfn fence) {
    const auto page = guest_.Page(fence);
    return std::all_of(page.begin(), page.end(),
                       [](std::byte value) { return value == std::byte{0x5a}; });
  }
};

TEST_F(BlockMutatorTest, LiveRingsAndSegmentLists) {
  MakeFileDisk();
  std::vector<Fenced> pages;
  for (int i = 0; i < 16; ++i) {
    pages.push_back(NewFenced());
  }
  const Buffer list = NewBuffer();
  std::vector<TestSegment> segments;
  for (std::size_t i = 0; i < 64; ++i) {
    segments.push_back({pages[i % 16].buffer.ref});
  }
  for (int round = 0; round < 15; ++round) {
    Connect();
    std::atomic<bool> stop{false};
    // The guest's page as another of its processors sees it.
    const std::span<std::byte> list_page = guest_.Page(list.page);
    BlockRingGuest::Ring& ring = queue().ring();
    PutSegments(list_page, segments);
    std::thread mutator([&] {
      std::mt19937 random(static_cast<unsigned>(round));
      while (!stop) {
        const std::uint32_t value = static_cast<std::uint32_t>(random());
        SharedWord<std::uint32_t>(list_page.data() + (value % 128) * 4).store(value >> 7U);
        ring.req_event().store(value);
        ring.rsp_event().store(value >> 3U);
        if (value % 4096 == 0) {
          ring.rsp_prod().store(value);
        }
        if (value % 65536 == 1) {
          ring.req_prod().store(value);
        }
      }
    });
    const std::uint32_t start = ring.req_prod().load();
    for (std::uint32_t i = 0; i < 300; ++i) {
      const auto request =
          i % 2 == 0
              ? testing::AsEntry(Indirect(BLKIF_OP_READ, i, 0, 64, list.ref))
              : testing::AsEntry(Transfer(BLKIF_OP_READ, i, i, {{pages[i % 16].buffer.ref}}));
      ring.CopyTo(start + i, request);
      ring.req_prod().store(start + i + 1);
      queue().Kick();
    }
    stop = true;
    mutator.join();
    front_.Say(XenbusState::kClosed);
    ASSERT_TRUE(front_.WaitForBack(XenbusState::kClosed));
    ASSERT_TRUE(front_.Reopen());
    for (const Fenced& each : pages) {
      ASSERT_TRUE(Intact(each.fence));
    }
  }
  Connect();
  EXPECT_EQ(queue().Do(Transfer(BLKIF_OP_READ, 1, 0, {{pages[0].buffer.ref}})).status,
            BLKIF_RSP_OKAY);
}

TEST_F(BlockMutatorTest, RequestsThatChangeInTheRing) {
  MakeFileDisk();
  std::vector<Fenced> pages;
  for (int i = 0; i < 4; ++i) {
    pages.push_back(NewFenced());
  }
  Connect();
  BlockRingGuest::Ring& ring = queue().ring();
  const auto good = testing::AsEntry(Transfer(BLKIF_OP_READ, 1, 8, {{pages[0].buffer.ref}}));
  auto bad_request = Transfer(BLKIF_OP_READ, 2, ~std::uint64_t{0}, {{GrantRef{0xffffffff}, 9, 3}});
  bad_request.nr_segments = 255;
  const auto bad = testing::AsEntry(bad_request);
  for (int round = 0; round < 3000; ++round) {
    const std::uint32_t index = ring.req_prod().load();
    ring.CopyTo(index, good);
    ring.req_prod().store(index + 1);
    queue().Kick();
    // It may be copied before, after or in the middle of this.
    ring.CopyTo(index, bad);
    ring.CopyTo(index, good);
    while (ring.rsp_prod().load() != index + 1) {
      ring.rsp_event().store(index + 1);
      if (ring.rsp_prod().load() == index + 1) {
        break;
      }
      ASSERT_TRUE(guest_.WaitForUpcall());
    }
  }
  for (const Fenced& each : pages) {
    EXPECT_TRUE(Intact(each.fence));
  }
}

TEST_F(BlockMutatorTest, GrantsThatComeAndGo) {
  MakeFileDisk();
  Connect();
  std::vector<Fenced> pages;
  for (int i = 0; i < 8; ++i) {
    pages.push_back(NewFenced());
  }
  std::atomic<bool> stop{false};
  std::thread mutator([&] {
    std::mt19937 random(3);
    constexpr std::uint32_t kFlags[] = {GTF_invalid, GTF_permit_access,
                                        GTF_permit_access | GTF_readonly, GTF_accept_transfer};
    while (!stop) {
      const Fenced& one = pages[random() % pages.size()];
      guest_.SetGrant(one.buffer.ref, one.buffer.page, kFlags[random() % 4]);
    }
  });
  for (std::uint64_t i = 0; i < 3000; ++i) {
    const blkif_response response = queue().Do(Transfer(
        BLKIF_OP_READ, i, i, {{pages[i % 8].buffer.ref}, {pages[(i + 1) % 8].buffer.ref}}));
    ASSERT_EQ(response.id, i);
    ASSERT_TRUE(response.status == BLKIF_RSP_OKAY || response.status == BLKIF_RSP_ERROR);
  }
  stop = true;
  mutator.join();
  EXPECT_EQ(guest_.grants->mappings(), 1U);
  for (const Fenced& each : pages) {
    EXPECT_TRUE(Intact(each.fence));
  }
}

}  // namespace
}  // namespace veneer
