// One thread at a time: indices, copies, and the notification rules of <xen/io/ring.h>.

#include <gtest/gtest.h>

#include "ring_fixture.h"
#include "veneer/xencompat/abi/xen_headers.h"

// clang-format off: only after the wrapped headers above
#include <xen/io/blkif.h>
// clang-format on

namespace veneer {
namespace {

using Taken = RingTake;

// The header's own arithmetic is the reference.
TEST(BackRingSize, IsWhatTheHeaderComputes) {
  static_assert(sizeof(union blkif_sring_entry) == sizeof(TestRequest));
  for (const std::size_t pages : {1U, 2U, 4U, 8U, 16U}) {
    EXPECT_EQ(TestRing::EntriesIn(pages), __CONST_RING_SIZE(blkif, pages * kPageSize)) << pages;
  }
}

class BackRingTest : public ::testing::TestWithParam<std::size_t> {
 protected:
  TestRequest Numbered(std::uint64_t id) {
    TestRequest request{.id = id};
    for (std::size_t i = 0; i < request.body.size(); ++i) {
      request.body[i] = static_cast<std::uint8_t>(id * 7 + i);
    }
    return request;
  }
  void Queue(std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) {
      front_.Put(Numbered(next_id_++));
    }
    front_.Push();
  }

  RingPages pages_{GetParam()};
  TestFrontEnd front_{pages_.get()};
  std::uint64_t next_id_ = 100;
};

TEST_P(BackRingTest, EveryEntryArrivesWholeAndInOrderAlsoWhenIndicesWrap) {
  front_.StartAt(0xffffff00);
  TestRing ring(pages_.get());
  std::uint64_t expected = next_id_;
  for (int round = 0; round < 5 + 512 / static_cast<int>(ring.size()); ++round) {
    Queue(ring.size());
    TestRequest request;
    for (std::uint32_t i = 0; i < ring.size(); ++i) {
      ASSERT_EQ(ring.Take(request), Taken::kRequest);
      ASSERT_EQ(request.id, expected);
      ASSERT_EQ(request.body, Numbered(expected).body);
      ++expected;
    }
    EXPECT_EQ(ring.Take(request), Taken::kNothing);
    EXPECT_EQ(ring.unanswered(), ring.size());
    for (std::uint32_t i = 0; i < ring.size(); ++i) {
      ring.Put({.id = expected - i, .status = i});
    }
    EXPECT_FALSE(front_.HasResponse()) << "shown before Publish()";
    ring.Publish();
    for (std::uint32_t i = 0; i < ring.size(); ++i) {
      const TestResponse response = front_.Take();
      ASSERT_EQ(response.id, expected - i);
      ASSERT_EQ(response.status, i);
    }
    EXPECT_FALSE(front_.HasResponse());
  }
}

TEST_P(BackRingTest, MoreRequestsThanFitBreakItForGood) {
  for (const std::uint32_t excess : {1U, 2U, 0x7fffffffU, 0x80000000U, 0xfffffffeU}) {
    front_.StartAt(9);
    TestRing ring(pages_.get());
    front_.req_prod().store(9 + (excess > 2 ? excess : ring.size() + excess));
    TestRequest request;
    EXPECT_EQ(ring.Take(request), Taken::kBroken) << excess;
    front_.req_prod().store(9);
    EXPECT_EQ(ring.Take(request), Taken::kBroken) << excess;
    EXPECT_EQ(ring.unanswered(), 0U);
  }
}

TEST_P(BackRingTest, AFullRingIsFine) {
  TestRing ring(pages_.get());
  front_.req_prod().store(ring.size());
  TestRequest request;
  for (std::uint32_t i = 0; i < ring.size(); ++i) {
    EXPECT_EQ(ring.Take(request), Taken::kRequest);
  }
  EXPECT_EQ(ring.Take(request), Taken::kNothing);
}

TEST_P(BackRingTest, NoMoreThanTheRingIsEverUnanswered) {
  TestRing ring(pages_.get());
  Queue(ring.size());
  TestRequest request;
  while (ring.Take(request) == Taken::kRequest) {
  }
  front_.req_prod().fetch_add(1);  // nothing has been answered: there is no room
  EXPECT_EQ(ring.Take(request), Taken::kBroken);
  EXPECT_EQ(ring.unanswered(), ring.size());
}

TEST_P(BackRingTest, AProducerThatGoesBackwardsBreaksIt) {
  TestRing ring(pages_.get());
  Queue(5);
  TestRequest request;
  while (ring.Take(request) == Taken::kRequest) {
  }
  front_.req_prod().store(4);
  EXPECT_EQ(ring.Take(request), Taken::kBroken);
}

TEST_P(BackRingTest, NotifiesExactlyWhenTheResponseAskedForIsAmongThose) {
  for (std::uint32_t wish = 0; wish < 8; ++wish) {
    front_.StartAt(0xfffffffd);
    TestRing ring(pages_.get());
    Queue(6);
    TestRequest request;
    while (ring.Take(request) == Taken::kRequest) {
    }
    front_.AskForEvent(wish);
    ring.Put({});
    ring.Put({});
    EXPECT_EQ(ring.unpublished(), 2U);
    EXPECT_EQ(ring.Publish(), wish == 1 || wish == 2) << wish;
    EXPECT_EQ(ring.unpublished(), 0U);
    EXPECT_FALSE(ring.Publish()) << "nothing new";
    for (int i = 0; i < 3; ++i) {
      ring.Put({});
    }
    EXPECT_EQ(ring.Publish(), wish >= 3 && wish <= 5) << wish;
    ring.Put({});
    EXPECT_EQ(ring.Publish(), wish == 6) << wish;
    for (int i = 0; i < 6; ++i) {
      front_.Take();
    }
  }
}

TEST_P(BackRingTest, IsToldOfTheRequestItAskedFor) {
  TestRing ring(pages_.get());
  TestRequest request;
  EXPECT_FALSE(ring.AskForEvent());
  front_.Put(Numbered(1));
  EXPECT_TRUE(front_.Push());
  front_.Put(Numbered(2));
  EXPECT_FALSE(front_.Push()) << "nobody asked for this one";
  EXPECT_TRUE(ring.AskForEvent()) << "two are waiting";
  ring.Take(request);
  ring.Take(request);
  EXPECT_FALSE(ring.AskForEvent(3));
  front_.Put(Numbered(3));
  front_.Put(Numbered(4));
  EXPECT_FALSE(front_.Push());
  EXPECT_FALSE(ring.AskForEvent(3)) << "only two of three";
  front_.Put(Numbered(5));
  EXPECT_TRUE(front_.Push());
  EXPECT_TRUE(ring.AskForEvent(3));
}

TEST_P(BackRingTest, ABrokenRingIsNotSleptOn) {
  TestRing ring(pages_.get());
  front_.req_prod().store(0x80000000);
  EXPECT_TRUE(ring.AskForEvent());
}

TEST_P(BackRingTest, CarriesOnWhereTheFrontEndStands) {
  front_.StartAt(77);
  front_.Put(Numbered(5));
  front_.Push();
  TestRing ring(pages_.get());
  TestRequest request;
  ASSERT_EQ(ring.Take(request), Taken::kRequest);
  EXPECT_EQ(request.id, 5U);
  ring.Put({.id = 5, .status = 0});
  ring.Publish();
  EXPECT_EQ(front_.rsp_prod().load(), 78U);
}

INSTANTIATE_TEST_SUITE_P(Pages, BackRingTest, ::testing::Values(1, 2, 4, 16));

}  // namespace
}  // namespace veneer
