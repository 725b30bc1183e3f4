// Each field wrong in turn: an error for that request, nothing touched, and the next one is served.

#include "block_fixture.h"

namespace veneer {
namespace {

using testing::Discard;
using testing::Indirect;
using testing::PutSegments;
using testing::Transfer;

class BlockMalformedTest : public BlockTest {
 protected:
  void SetUp() override {
    file_.Write(0, before_);
    file_.Write(kDiskBytes - before_.size(), before_);
    MakeFileDisk();
    Connect();
    good_ = NewBuffer();
    Fill(good_.page, Pattern(kPageSize, 2));
  }
  // Refused with `status`, repeating id and operation; then the disk still works and is unchanged.
  template <typename T>
  void ExpectRefused(const T& request, std::int16_t status, std::uint8_t operation) {
    const std::uint64_t refused = Count("bad_requests");
    const blkif_response response = queue().Do(request);
    EXPECT_EQ(response.status, status);
    EXPECT_EQ(response.operation, operation);
    EXPECT_EQ(response.id, request.id);
    EXPECT_EQ(Count("bad_requests"), refused + 1);
    EXPECT_EQ(guest_.grants->mappings(), 1U) << "only the ring is mapped";
    const Buffer target = NewBuffer();
    EXPECT_EQ(queue().Do(Transfer(BLKIF_OP_READ, 1, 0, {{target.ref}})).status, BLKIF_RSP_OKAY);
    EXPECT_EQ(file_.Read(0, before_.size()), before_);
    EXPECT_EQ(file_.Read(kDiskBytes - before_.size(), before_.size()), before_);
  }
  void ExpectError(const blkif_request& request) {
    ExpectRefused(request, BLKIF_RSP_ERROR, request.operation);
  }

  const std::vector<std::byte> before_ = Pattern(64 * 1024, 1);  // at both ends of the disk
  Buffer good_;
};

TEST_F(BlockMalformedTest, UnknownOperations) {
  for (const int operation : {4, 7, 8, 0x7f, 0x80, 0xff}) {
    ExpectRefused(Transfer(operation, 5, 0, {{good_.ref}}), BLKIF_RSP_EOPNOTSUPP,
                  static_cast<std::uint8_t>(operation));
  }
}

TEST_F(BlockMalformedTest, SegmentCounts) {
  for (const int operation : {BLKIF_OP_READ, BLKIF_OP_WRITE}) {
    for (const unsigned count : {0U, 12U, 13U, 127U, 128U, 255U}) {
      blkif_request request = Transfer(operation, 6, 0, {11, {good_.ref}});
      request.nr_segments = static_cast<std::uint8_t>(count);
      ExpectError(request);
    }
  }
  blkif_request barrier = Transfer(BLKIF_OP_WRITE_BARRIER, 6, 0, {{good_.ref}});
  barrier.nr_segments = 12;
  ExpectError(barrier);
  ExpectError(Transfer(BLKIF_OP_FLUSH_DISKCACHE, 6, 0, {{good_.ref}}));
}

TEST_F(BlockMalformedTest, SegmentsOutsideTheirPageInEachPosition) {
  const std::pair<int, int> bad[] = {{0, 8},   {8, 8},     {1, 0},  {7, 6},
                                     {0, 255}, {255, 255}, {255, 0}};
  for (std::size_t position = 0; position < 11; ++position) {
    for (const auto& [first, last] : bad) {
      std::vector<TestSegment> segments(11, {good_.ref});
      segments[position].first = static_cast<std::uint8_t>(first);
      segments[position].last = static_cast<std::uint8_t>(last);
      ExpectError(Transfer(BLKIF_OP_WRITE, 7, 0, segments));
    }
  }
}

TEST_F(BlockMalformedTest, GrantsThatAreNoneInEachPosition) {
  const GrantRef readonly = guest_.Grant(good_.page, true);
  const GrantRef elsewhere = guest_.Grant(good_.page);
  guest_.SetGrant(elsewhere, Gfn{0xffffff}, GTF_permit_access);
  const GrantRef stranger = guest_.Grant(good_.page);
  guest_.SetGrant(stranger, good_.page, GTF_permit_access, 5);
  const GrantRef free_entry = guest_.Grant(good_.page);
  guest_.SetGrant(free_entry, good_.page, GTF_invalid);
  for (std::size_t position = 0; position < 11; ++position) {
    for (const GrantRef ref :
         {GrantRef{0xffffffff}, GrantRef{1U << 20U}, elsewhere, stranger, free_entry}) {
      std::vector<TestSegment> segments(11, {good_.ref});
      segments[position].ref = ref;
      ExpectError(Transfer(BLKIF_OP_WRITE, 8, 0, segments));
    }
    std::vector<TestSegment> segments(11, {good_.ref});
    segments[position].ref = readonly;
    ExpectError(Transfer(BLKIF_OP_READ, 8, 0, segments));
  }
}

TEST_F(BlockMalformedTest, SectorsOutsideTheDisk) {
  for (const std::uint64_t sector :
       {kSectors - 7, kSectors - 1, kSectors, kSectors + 1, std::uint64_t{1} << 32U,
        std::uint64_t{1} << 55U, std::uint64_t{1} << 63U, ~std::uint64_t{0}, ~std::uint64_t{6}}) {
    for (const int operation : {BLKIF_OP_READ, BLKIF_OP_WRITE, BLKIF_OP_WRITE_BARRIER}) {
      ExpectError(Transfer(operation, 9, sector, {{good_.ref}}));
    }
  }
  EXPECT_EQ(queue().Do(Transfer(BLKIF_OP_READ, 9, kSectors - 8, {{good_.ref}})).status,
            BLKIF_RSP_OKAY);
}

TEST_F(BlockMalformedTest, Discards) {
  const std::pair<std::uint64_t, std::uint64_t> bad[] = {{0, 0},
                                                         {0, kSectors + 1},
                                                         {kSectors, 1},
                                                         {kSectors - 1, 2},
                                                         {1, ~std::uint64_t{0}},
                                                         {~std::uint64_t{0}, 1},
                                                         {8, std::uint64_t{1} << 55U},
                                                         {0, std::uint64_t{1} << 63U}};
  for (const auto& [sector, count] : bad) {
    ExpectRefused(Discard(10, sector, count), BLKIF_RSP_ERROR, BLKIF_OP_DISCARD);
  }
}

TEST_F(BlockMalformedTest, IndirectRequests) {
  const Buffer list = NewBuffer();
  PutSegments(guest_.Page(list.page), std::vector<TestSegment>(256, {good_.ref}));
  for (const int inner : {2, 3, 4, 5, 6, 255}) {
    ExpectRefused(Indirect(inner, 11, 0, 1, list.ref), BLKIF_RSP_EOPNOTSUPP,
                  static_cast<std::uint8_t>(inner));
  }
  for (const unsigned count : {0U, 257U, 512U, 513U, 4096U, 65535U}) {
    ExpectRefused(Indirect(BLKIF_OP_WRITE, 11, 0, static_cast<std::uint16_t>(count), list.ref),
                  BLKIF_RSP_ERROR, BLKIF_OP_WRITE);
  }
  ExpectRefused(Indirect(BLKIF_OP_WRITE, 11, 0, 12, GrantRef{0xffffffff}), BLKIF_RSP_ERROR,
                BLKIF_OP_WRITE);
  ExpectRefused(Indirect(BLKIF_OP_WRITE, 11, kSectors - 8, 2, list.ref), BLKIF_RSP_ERROR,
                BLKIF_OP_WRITE);
  for (const std::size_t position : {0U, 1U, 100U, 255U}) {
    std::vector<TestSegment> segments(256, {good_.ref});
    segments[position].ref = GrantRef{0xfffffff0};
    PutSegments(guest_.Page(list.page), segments);
    ExpectRefused(Indirect(BLKIF_OP_WRITE, 11, 0, 256, list.ref), BLKIF_RSP_ERROR, BLKIF_OP_WRITE);
    segments[position] = {good_.ref, 3, 8};
    PutSegments(guest_.Page(list.page), segments);
    ExpectRefused(Indirect(BLKIF_OP_WRITE, 11, 0, 256, list.ref), BLKIF_RSP_ERROR, BLKIF_OP_WRITE);
  }
}

// XSA-216: whatever was in the slot before, every byte of a response is defined.
TEST_F(BlockMalformedTest, ResponsesLeakNothing) {
  blkif_request request = Transfer(0xff, 0x1122334455667788, 0, {});
  std::memset(static_cast<void*>(request.seg), 0xaa, sizeof request.seg);
  const std::uint32_t slot = queue().ring().rsp_prod().load();
  queue().Do(request);
  std::array<std::byte, sizeof(blkif_response)> bytes{};
  queue().ring().CopyFrom(slot, bytes);
  const std::array<std::uint8_t, 16> expected{0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
                                              0xff, 0,    0xfe, 0xff, 0,    0,    0,    0};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(std::to_integer<unsigned>(bytes[i]), expected[i]) << i;
  }
}

TEST_F(BlockMalformedTest, ABrokenRingClosesTheDeviceUntilItStartsOver) {
  queue().ring().req_prod().fetch_add(1000);
  queue().Kick();
  ASSERT_TRUE(front_.WaitForBack(XenbusState::kClosing));
  front_.Say(XenbusState::kClosed);
  ASSERT_TRUE(front_.WaitForBack(XenbusState::kClosed));
  ASSERT_TRUE(front_.Reopen());
  Connect();
  EXPECT_EQ(queue().Do(Transfer(BLKIF_OP_READ, 1, 0, {{good_.ref}})).status, BLKIF_RSP_OKAY);
}

TEST_F(BlockMalformedTest, AFloodOfBadRequestsIsAnsweredAndLittleIsLogged) {
  for (int round = 0; round < 200; ++round) {
    for (std::uint32_t i = 0; i < queue().ring().size(); ++i) {
      queue().Put(Transfer(0x99, i, 0, {}));
    }
    queue().Push();
    for (std::uint32_t i = 0; i < queue().ring().size(); ++i) {
      ASSERT_EQ(queue().Wait().status, BLKIF_RSP_EOPNOTSUPP);
    }
  }
}

}  // namespace
}  // namespace veneer
