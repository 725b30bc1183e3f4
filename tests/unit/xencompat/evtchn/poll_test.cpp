// SCHEDOP_poll: errors, readiness, wake-ups from other threads, and deadlines.
#include <array>
#include <thread>

#include <gtest/gtest.h>

#include "support/event_guest.h"

namespace veneer {
namespace {

using Outcome = EventChannels::PollOutcome;
using testing::EventGuest;

class Polling : public ::testing::Test {
 protected:
  EventGuest guest_{EventChannels::Options{.vcpus = 2}};
  EventChannels& channels_ = *guest_.channels;
};

TEST_F(Polling, BadArgumentsAreRefused) {
  const EvtchnPort good = *channels_.BindIpi(0);
  const std::array bad{good, EvtchnPort{0}};
  const std::array beyond{good, EvtchnPort{0xffffffff}};
  const std::vector<EvtchnPort> many(EventChannels::kMaxPollPorts + 1, good);
  EXPECT_EQ(channels_.Poll(0, bad, 0).error(), XEN_EINVAL);
  EXPECT_EQ(channels_.Poll(0, beyond, 0).error(), XEN_EINVAL);
  EXPECT_EQ(channels_.Poll(0, many, 0).error(), XEN_EINVAL);
  EXPECT_EQ(channels_.Poll(2, std::array{good}, 0).error(), XEN_ENOENT);
  EXPECT_EQ(channels_.Poll(0, std::span(many).first(EventChannels::kMaxPollPorts), 0),
            Outcome::kTimeout);
}

TEST_F(Polling, AnEventThatIsPendingAlreadyEndsItAtOnce) {
  const EvtchnPort port = *channels_.BindIpi(0);
  guest_.SetMasked(port, true);
  ASSERT_TRUE(channels_.Send(port));
  EXPECT_EQ(channels_.Poll(0, std::array{port}, std::nullopt), Outcome::kReady);
}

TEST_F(Polling, ADeadlineThatHasPassedEndsIt) {
  const EvtchnPort port = *channels_.BindIpi(0);
  EXPECT_EQ(channels_.Poll(0, std::array{port}, 1), Outcome::kTimeout);
  EXPECT_EQ(channels_.Poll(0, {}, 1), Outcome::kTimeout);
}

TEST_F(Polling, AnEventOnAnotherThreadEndsItEvenIfMasked) {
  const EvtchnPort a = *channels_.BindIpi(0);
  const EvtchnPort b = *channels_.BindIpi(0);
  guest_.SetMasked(b, true);
  std::thread poller([&] {
    // With a deadline that never comes, as guests write it.
    EXPECT_EQ(channels_.Poll(1, std::array{b, a}, ~std::uint64_t{0}), Outcome::kReady);
  });
  EXPECT_TRUE(channels_.Send(b));
  poller.join();
}

TEST_F(Polling, ClosingThePortEndsIt) {
  const EvtchnPort port = *channels_.BindIpi(0);
  std::thread poller([&] {
    const auto outcome = channels_.Poll(1, std::array{port}, std::nullopt);
    // Depending on who was first.
    EXPECT_TRUE(outcome == Outcome::kReady || outcome.error() == XEN_EINVAL);
  });
  EXPECT_TRUE(channels_.Close(port));
  poller.join();
}

TEST_F(Polling, TwoVcpusPollingForOnePortBothWake) {
  const EvtchnPort port = *channels_.BindIpi(0);
  guest_.SetMasked(port, true);
  std::thread first(
      [&] { EXPECT_EQ(channels_.Poll(0, std::array{port}, std::nullopt), Outcome::kReady); });
  std::thread second(
      [&] { EXPECT_EQ(channels_.Poll(1, std::array{port}, std::nullopt), Outcome::kReady); });
  EXPECT_TRUE(channels_.Send(port));
  first.join();
  second.join();
}

}  // namespace
}  // namespace veneer
