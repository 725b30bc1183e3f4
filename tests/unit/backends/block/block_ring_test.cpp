// Requests and responses in the layouts of 64-bit and 32-bit guests.

#include "src/backends/block/block_ring.h"

#include <gtest/gtest.h>

#include "support/block_front_end.h"
#include "veneer/vmm/memory/guest_memory.h"

namespace veneer {
namespace {

using testing::Blkif32Discard;
using testing::Blkif32Indirect;
using testing::Blkif32Request;
using testing::Blkif32Response;
using testing::RingFrontEnd;

TEST(BlockProtocolText, KnowsTheTwo) {
  EXPECT_EQ(ParseBlockProtocol("x86_64-abi"), BlockProtocol::k64);
  EXPECT_EQ(ParseBlockProtocol("x86_32-abi"), BlockProtocol::k32);
  EXPECT_EQ(ParseBlockProtocol("arm-abi"), std::nullopt);
  EXPECT_EQ(ParseBlockProtocol(""), std::nullopt);
}

template <typename Request, typename Discard, typename Indirect, typename Response,
          BlockProtocol kProtocol>
void ExpectFieldsArrive() {
  const auto memory = std::move(*GuestMemory::CreateFlat(kPageSize));
  const std::vector<std::span<std::byte>> pages{memory->Pin(Gpa{0}, kPageSize)};
  using Front = RingFrontEnd<Request, Response>;
  Front front(pages);
  BlockRing ring(kProtocol, pages);
  EXPECT_EQ(ring.size(), 32U);
  const auto put = [&front](const auto& value) {
    Request entry;
    std::memset(static_cast<void*>(&entry), 0xcc, sizeof entry);
    std::memcpy(static_cast<void*>(&entry), &value, sizeof value);
    front.Put(entry);
    front.Push();
  };
  Request transfer;
  std::memset(static_cast<void*>(&transfer), 0, sizeof transfer);
  transfer.operation = BLKIF_OP_WRITE;
  transfer.nr_segments = 11;
  transfer.id = 0x1122334455667788;
  transfer.sector_number = 0x99aabbccddeeff00;
  for (std::uint8_t i = 0; i < 11; ++i) {
    transfer.seg[i] = {0xf0000000U + i, i, static_cast<std::uint8_t>(i + 100)};
  }
  put(transfer);
  BlockRequest request;
  ASSERT_EQ(ring.Take(request), RingTake::kRequest);
  EXPECT_EQ(request.operation, BLKIF_OP_WRITE);
  EXPECT_EQ(request.AnsweredOperation(), BLKIF_OP_WRITE);
  EXPECT_EQ(request.segment_count, 11U);
  EXPECT_EQ(request.id, 0x1122334455667788U);
  EXPECT_EQ(request.sector, 0x99aabbccddeeff00U);
  for (std::uint8_t i = 0; i < 11; ++i) {
    EXPECT_EQ(request.segments[i].gref, 0xf0000000U + i);
    EXPECT_EQ(request.segments[i].first_sect, i);
    EXPECT_EQ(request.segments[i].last_sect, i + 100);
  }

  Discard discard;
  std::memset(static_cast<void*>(&discard), 0, sizeof discard);
  discard.operation = BLKIF_OP_DISCARD;
  discard.id = 3;
  discard.sector_number = 0x8000000000000001;
  discard.nr_sectors = 0x7000000000000002;
  put(discard);
  ASSERT_EQ(ring.Take(request), RingTake::kRequest);
  EXPECT_EQ(request.sector, 0x8000000000000001U);
  EXPECT_EQ(request.discard_sectors, 0x7000000000000002U);

  Indirect indirect;
  std::memset(static_cast<void*>(&indirect), 0, sizeof indirect);
  indirect.operation = BLKIF_OP_INDIRECT;
  indirect.indirect_op = BLKIF_OP_READ;
  indirect.nr_segments = 0x1234;
  indirect.id = 4;
  indirect.sector_number = 5;
  for (std::uint32_t i = 0; i < 8; ++i) {
    indirect.indirect_grefs[i] = 0xe0000000U + i;
  }
  put(indirect);
  ASSERT_EQ(ring.Take(request), RingTake::kRequest);
  EXPECT_EQ(request.indirect_operation, BLKIF_OP_READ);
  EXPECT_EQ(request.AnsweredOperation(), BLKIF_OP_READ);
  EXPECT_EQ(request.segment_count, 0x1234U);
  EXPECT_EQ(request.id, 4U);
  EXPECT_EQ(request.sector, 5U);
  for (std::uint32_t i = 0; i < 8; ++i) {
    EXPECT_EQ(request.indirect_pages[i], 0xe0000000U + i);
  }

  ring.Put(0xfedcba9876543210, BLKIF_OP_WRITE, BLKIF_RSP_EOPNOTSUPP);
  EXPECT_EQ(ring.unpublished(), 1U);
  EXPECT_TRUE(ring.Publish());
  const Response response = front.Take();
  EXPECT_EQ(response.id, 0xfedcba9876543210U);
  EXPECT_EQ(response.operation, BLKIF_OP_WRITE);
  EXPECT_EQ(response.status, BLKIF_RSP_EOPNOTSUPP);
}

TEST(BlockRing, FieldsOf64BitGuests) {
  ExpectFieldsArrive<blkif_request, blkif_request_discard, blkif_request_indirect, blkif_response,
                     BlockProtocol::k64>();
}

TEST(BlockRing, FieldsOf32BitGuests) {
  ExpectFieldsArrive<Blkif32Request, Blkif32Discard, Blkif32Indirect, Blkif32Response,
                     BlockProtocol::k32>();
}

}  // namespace
}  // namespace veneer
