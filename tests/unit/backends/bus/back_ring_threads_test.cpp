// Both ends at once: no request, response or wake-up gets lost. A lost wake-up shows as a test that
// does not end.

#include <thread>

#include <gtest/gtest.h>

#include "ring_fixture.h"
#include "support/wakeup.h"

namespace veneer {
namespace {

using testing::Wakeup;

constexpr std::uint64_t kRequests = 20'000;

void Answer(TestRing& ring, Wakeup& kicked, Wakeup& answered) {
  std::uint64_t done = 0;
  while (done < kRequests) {
    TestRequest request;
    while (ring.Take(request) == RingTake::kRequest) {
      ring.Put({.id = request.id, .status = request.body[0]});
      ++done;
    }
    if (ring.Publish()) {
      answered.Set();
    }
    if (done < kRequests && !ring.AskForEvent()) {
      kicked.Wait();
    }
  }
}

TEST(BackRingThreads, TwoSidesThatSleepAreAlwaysWoken) {
  const RingPages pages(2);
  TestFrontEnd front(pages.get());
  front.StartAt(0xfffff000);
  TestRing ring(pages.get());
  Wakeup kicked;
  Wakeup answered;
  std::thread back([&] { Answer(ring, kicked, answered); });
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  while (received < kRequests) {
    while (sent < kRequests && !front.Full()) {
      TestRequest request{.id = sent};
      request.body[0] = static_cast<std::uint8_t>(sent);
      front.Put(request);
      ++sent;
    }
    if (front.Push()) {
      kicked.Set();
    }
    while (front.HasResponse()) {
      const TestResponse response = front.Take();
      EXPECT_EQ(response.id, received);
      EXPECT_EQ(response.status, received % 256);
      ++received;
    }
    if (front.outstanding() > 0 && !front.AskForEvent()) {
      answered.Wait();
    }
  }
  back.join();
}

// The indices and entries change all the time: every request is one the front-end wrote at some
// time, and the loop ends.
TEST(BackRingThreads, AMutatorCannotMakeItTakeMoreThanTheRing) {
  const RingPages pages(1);
  std::atomic<bool> stop{false};
  TestFrontEnd front(pages.get());
  std::thread mutator([&] {
    std::uint32_t value = 1;
    while (!stop) {
      value = value * 1664525 + 1013904223;
      front.req_prod().store(value % 64);
      front.req_event().store(value);
      front.rsp_prod().store(value);
    }
  });
  for (int round = 0; round < 5000; ++round) {
    TestRing ring(pages.get());
    TestRequest request;
    std::uint32_t taken = 0;
    while (ring.Take(request) == RingTake::kRequest) {
      ++taken;
      EXPECT_LE(ring.unanswered(), ring.size());
    }
    EXPECT_LE(taken, ring.size());
    while (ring.unanswered() > 0) {
      ring.Put({});
    }
    ring.Publish();
  }
  stop = true;
  mutator.join();
}

}  // namespace
}  // namespace veneer
