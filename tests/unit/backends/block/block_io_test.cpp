// What a well-behaved front-end asks for ends up in the file, and the file's content in its pages.

#include <algorithm>
#include <map>

#include "block_fixture.h"

namespace veneer {
namespace {

using testing::Discard;
using testing::Indirect;
using testing::PutSegments;
using testing::Transfer;

TEST_F(BlockTest, OffersWhatItCanDo) {
  config_.queues = 3;
  MakeFileDisk();
  Connect();
  const std::map<std::string, std::string> expected{{"sectors", "16384"},
                                                    {"sector-size", "512"},
                                                    {"physical-sector-size", "4096"},
                                                    {"info", "0"},
                                                    {"mode", "w"},
                                                    {"feature-flush-cache", "1"},
                                                    {"feature-barrier", "1"},
                                                    {"feature-discard", "1"},
                                                    {"discard-granularity", "4096"},
                                                    {"feature-max-indirect-segments", "256"},
                                                    {"max-ring-page-order", "4"},
                                                    {"multi-queue-max-queues", "3"}};
  for (const auto& [key, value] : expected) {
    EXPECT_EQ(front_.Back(key), value) << key;
  }
  EXPECT_EQ(front_.Back("feature-persistent"), "(none)");
}

TEST_F(BlockTest, WritesAndReadsBackAPage) {
  MakeFileDisk();
  Connect();
  const Buffer source = NewBuffer(true);  // a write needs no more
  const Buffer target = NewBuffer();
  const auto data = Pattern(kPageSize, 1);
  Fill(source.page, data);
  blkif_response response = queue().Do(Transfer(BLKIF_OP_WRITE, 77, 8, {{source.ref}}));
  EXPECT_EQ(response.id, 77U);
  EXPECT_EQ(response.operation, BLKIF_OP_WRITE);
  EXPECT_EQ(response.status, BLKIF_RSP_OKAY);
  EXPECT_EQ(file_.Read(8 * 512, kPageSize), data);
  response = queue().Do(Transfer(BLKIF_OP_READ, 78, 8, {{target.ref}}));
  EXPECT_EQ(response.status, BLKIF_RSP_OKAY);
  EXPECT_EQ(Content(target.page), data);
  EXPECT_EQ(Count("reads"), 1U);
  EXPECT_EQ(Count("writes"), 1U);
  EXPECT_EQ(Count("read_bytes"), kPageSize);
  EXPECT_EQ(Count("written_bytes"), kPageSize);
}

TEST_F(BlockTest, TouchesTheSectorsOfASegmentAndNoOthers) {
  MakeFileDisk();
  Connect();
  file_.Write(0, Pattern(kPageSize, 2));
  for (std::uint8_t first = 0; first < 8; ++first) {
    for (std::uint8_t last = first; last < 8; ++last) {
      const Buffer target = NewBuffer();
      Fill(target.page, std::vector<std::byte>(kPageSize, std::byte{0xee}));
      const auto response = queue().Do(Transfer(BLKIF_OP_READ, 1, 0, {{target.ref, first, last}}));
      ASSERT_EQ(response.status, BLKIF_RSP_OKAY);
      const std::size_t start = first * 512U;
      const std::size_t length = (last - first + 1U) * 512U;
      EXPECT_EQ(Content(target.page, start, length), file_.Read(0, length));
      const auto around = [](std::byte value) { return value == std::byte{0xee}; };
      const auto before = Content(target.page, 0, start);
      const auto after = Content(target.page, start + length, kPageSize - start - length);
      EXPECT_TRUE(std::all_of(before.begin(), before.end(), around));
      EXPECT_TRUE(std::all_of(after.begin(), after.end(), around));
    }
  }
}

// XSA-229's family: whether segments are merged or not, the bytes are the same. Pages in order, in
// reverse, repeated, and with holes inside.
TEST_F(BlockTest, MergingNeverMovesAByte) {
  MakeFileDisk();
  Connect();
  file_.Write(0, Pattern(64 * kPageSize, 3));
  std::vector<Buffer> pages;
  for (int i = 0; i < 16; ++i) {
    pages.push_back(NewBuffer());
  }
  std::uint32_t random = 99;
  const auto next = [&random](std::uint32_t below) {
    random = random * 1664525 + 1013904223;
    return (random >> 16U) % below;
  };
  for (int round = 0; round < 300; ++round) {
    std::vector<TestSegment> segments;
    std::vector<std::size_t> used;
    const std::size_t count = 1 + next(11);
    std::size_t page = next(16);
    for (std::size_t i = 0; i < count; ++i) {
      page = next(3) == 0 ? next(16) : (page + 1) % 16;
      if (std::find(used.begin(), used.end(), page) != used.end()) {
        break;  // repeated ones have a test of their own
      }
      const bool whole = next(3) != 0;
      const auto first = static_cast<std::uint8_t>(whole ? 0 : next(8));
      const auto last = static_cast<std::uint8_t>(whole ? 7 : first + next(8U - first));
      segments.push_back({pages[page].ref, first, last});
      used.push_back(page);
    }
    for (const Buffer& each : pages) {
      Fill(each.page, std::vector<std::byte>(kPageSize));
    }
    const std::uint64_t sector = next(256);
    ASSERT_EQ(queue().Do(Transfer(BLKIF_OP_READ, 5, sector, segments)).status, BLKIF_RSP_OKAY);
    std::uint64_t at = sector * 512;
    for (std::size_t i = 0; i < segments.size(); ++i) {
      const std::size_t length = (segments[i].last - segments[i].first + 1U) * 512U;
      ASSERT_EQ(Content(pages[used[i]].page, segments[i].first * 512U, length),
                file_.Read(at, length));
      at += length;
    }
  }
  EXPECT_GT(Count("merges"), 100U);
}

TEST_F(BlockTest, TheSamePageMayAppearMoreThanOnce) {
  MakeFileDisk();
  Connect();
  const Buffer source = NewBuffer();
  const auto data = Pattern(kPageSize, 4);
  Fill(source.page, data);
  const std::vector<TestSegment> segments(11, {source.ref});
  ASSERT_EQ(queue().Do(Transfer(BLKIF_OP_WRITE, 1, 0, segments)).status, BLKIF_RSP_OKAY);
  for (std::uint64_t i = 0; i < 11; ++i) {
    EXPECT_EQ(file_.Read(i * kPageSize, kPageSize), data);
  }
  // The last of them wins, or any: but nothing outside the page changes.
  const Buffer target = NewBuffer();
  const Buffer beside = NewBuffer();
  ASSERT_EQ(queue().Do(Transfer(BLKIF_OP_READ, 1, 0, {11, {target.ref}})).status, BLKIF_RSP_OKAY);
  EXPECT_EQ(Content(target.page), data);
  EXPECT_EQ(Content(beside.page), std::vector<std::byte>(kPageSize));
}

TEST_F(BlockTest, IndirectRequestsCarryAMebibyte) {
  MakeFileDisk();
  Connect();
  const Buffer list = NewBuffer(true);
  std::vector<Buffer> pages;
  std::vector<TestSegment> segments;
  for (int i = 0; i < 256; ++i) {
    pages.push_back(NewBuffer());
    segments.push_back({pages.back().ref});
  }
  std::reverse(segments.begin(), segments.end());  // so that nothing merges
  PutSegments(guest_.Page(list.page), segments);
  file_.Write(kPageSize, Pattern(256 * kPageSize, 5));
  const auto response = queue().Do(Indirect(BLKIF_OP_READ, 9, 8, 256, list.ref));
  EXPECT_EQ(response.status, BLKIF_RSP_OKAY);
  EXPECT_EQ(response.operation, BLKIF_OP_READ) << "Linux compares it with the inner operation";
  for (std::size_t i = 0; i < 256; ++i) {
    ASSERT_EQ(Content(pages[255 - i].page), file_.Read((1 + i) * kPageSize, kPageSize));
  }
  ASSERT_EQ(queue().Do(Indirect(BLKIF_OP_WRITE, 10, 4096, 256, list.ref)).status, BLKIF_RSP_OKAY);
  EXPECT_EQ(file_.Read(4096 * 512, 256 * kPageSize), file_.Read(kPageSize, 256 * kPageSize));
}

TEST_F(BlockTest, FlushAndDiscard) {
  MakeFileDisk();
  Connect();
  file_.Write(0, Pattern(64 * kPageSize, 6));
  ASSERT_EQ(fsync(file_.fd()), 0);
  const std::uint64_t before = file_.AllocatedBytes();
  auto response = queue().Do(Transfer(BLKIF_OP_FLUSH_DISKCACHE, 11, 0, {}));
  EXPECT_EQ(response.status, BLKIF_RSP_OKAY);
  EXPECT_EQ(response.operation, BLKIF_OP_FLUSH_DISKCACHE);
  response = queue().Do(Discard(12, 8, 62 * 8));
  EXPECT_EQ(response.status, BLKIF_RSP_OKAY);
  EXPECT_EQ(file_.Read(kPageSize, 62 * kPageSize), std::vector<std::byte>(62 * kPageSize));
  EXPECT_EQ(file_.Read(0, 1), Pattern(1, 6));
  EXPECT_LT(file_.AllocatedBytes(), before);
  EXPECT_EQ(Count("flushes"), 1U);
  EXPECT_EQ(Count("discards"), 1U);
}

TEST_F(BlockTest, AReadOnlyDiskIsReadAndNotWritten) {
  config_.readonly = true;
  file_.Write(0, Pattern(kPageSize, 7));
  MakeFileDisk();
  Connect();
  EXPECT_EQ(front_.Back("mode"), "r");
  EXPECT_EQ(front_.Back("info"), "4");
  EXPECT_EQ(front_.Back("feature-discard"), "(none)");
  const Buffer page = NewBuffer();
  EXPECT_EQ(queue().Do(Transfer(BLKIF_OP_READ, 1, 0, {{page.ref}})).status, BLKIF_RSP_OKAY);
  EXPECT_EQ(Content(page.page), Pattern(kPageSize, 7));
  Fill(page.page, Pattern(kPageSize, 8));
  for (const int operation : {BLKIF_OP_WRITE, BLKIF_OP_WRITE_BARRIER}) {
    EXPECT_EQ(queue().Do(Transfer(operation, 2, 0, {{page.ref}})).status, BLKIF_RSP_ERROR);
  }
  EXPECT_NE(queue().Do(Discard(3, 0, 8)).status, BLKIF_RSP_OKAY);
  EXPECT_EQ(queue().Do(Transfer(BLKIF_OP_FLUSH_DISKCACHE, 4, 0, {})).status, BLKIF_RSP_OKAY);
  EXPECT_EQ(file_.Read(0, kPageSize), Pattern(kPageSize, 7));
}

// A whole ring at a time, over rings of every size, with the indices wrapping.
TEST_F(BlockTest, RingsOfEverySizeKeepEveryRequest) {
  MakeFileDisk();
  file_.Write(0, Pattern(kDiskBytes, 9));
  for (unsigned order = 0; order <= 4; ++order) {
    Connect(1, order);
    const std::uint32_t size = queue().ring().size();
    EXPECT_EQ(size, 32U << order);
    std::vector<Buffer> pages;
    for (std::uint32_t i = 0; i < size; ++i) {
      pages.push_back(NewBuffer());
    }
    for (int round = 0; round < 3; ++round) {
      for (std::uint32_t i = 0; i < size; ++i) {
        queue().Put(Transfer(BLKIF_OP_READ, i, (i * 37U + 11U) % 2000, {{pages[i].ref}}));
      }
      queue().Push();
      std::vector<bool> seen(size);
      for (std::uint32_t i = 0; i < size; ++i) {
        const blkif_response response = queue().Wait();
        ASSERT_EQ(response.status, BLKIF_RSP_OKAY);
        ASSERT_LT(response.id, size);
        ASSERT_FALSE(seen[response.id]) << "answered twice";
        seen[response.id] = true;
      }
      for (std::uint32_t i = 0; i < size; ++i) {
        ASSERT_EQ(Content(pages[i].page), file_.Read((i * 37U + 11U) % 2000 * 512, kPageSize));
      }
    }
    ASSERT_TRUE(front_.Close());
    ASSERT_TRUE(front_.Reopen());
  }
}

TEST_F(BlockTest, EveryQueueServes) {
  config_.queues = 4;
  MakeFileDisk();
  Connect(4, 1);
  for (std::size_t i = 0; i < 4; ++i) {
    const Buffer page = NewBuffer();
    const auto data = Pattern(kPageSize, static_cast<unsigned>(20 + i));
    Fill(page.page, data);
    EXPECT_EQ(front_.queue(i).Do(Transfer(BLKIF_OP_WRITE, i, 8 * i, {{page.ref}})).status,
              BLKIF_RSP_OKAY);
    EXPECT_EQ(file_.Read(i * kPageSize, kPageSize), data);
  }
}

// What is not aligned for a transfer past the page cache takes the way through it, and both see
// each other's data.
TEST_F(BlockTest, DirectTransfersOfAnyAlignment) {
  config_.direct = true;
  MakeFileDisk();
  Connect();
  const Buffer page = NewBuffer();
  const Buffer target = NewBuffer();
  for (std::uint64_t sector = 0; sector < 17; ++sector) {
    const auto data = Pattern(kPageSize, static_cast<unsigned>(40 + sector));
    Fill(page.page, data);
    ASSERT_EQ(queue().Do(Transfer(BLKIF_OP_WRITE, 1, sector, {{page.ref}})).status, BLKIF_RSP_OKAY);
    ASSERT_EQ(queue().Do(Transfer(BLKIF_OP_READ, 2, sector, {{target.ref, 0, 7}})).status,
              BLKIF_RSP_OKAY);
    ASSERT_EQ(Content(target.page), data);
    ASSERT_EQ(queue().Do(Transfer(BLKIF_OP_READ, 3, sector + 1, {{target.ref, 3, 5}})).status,
              BLKIF_RSP_OKAY);
    ASSERT_EQ(Content(target.page, 3 * 512, 3 * 512),
              std::vector<std::byte>(data.begin() + 512, data.begin() + 4 * 512));
  }
}

}  // namespace
}  // namespace veneer
