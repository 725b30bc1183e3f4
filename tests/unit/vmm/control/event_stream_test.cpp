#include "src/vmm/control/event_stream.h"

#include <algorithm>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/fake_clock.h"

namespace veneer {
namespace {

using Json = nlohmann::json;

class EventStreamTest : public ::testing::Test {
 protected:
  // 2026-12-01 03:41:42.5 UTC
  FakeClock clock_{1'796'096'502'500'000'000};
  Counter dropped_;
  EventStream events_{clock_, dropped_};
};

TEST_F(EventStreamTest, IsALineOfJsonForEach) {
  std::uint64_t position = events_.Oldest();
  EXPECT_EQ(events_.Next(position, 1000), "");
  events_.Record({"started", {{"life", std::uint64_t{1}}}});
  events_.Record({"milestone", {{"name", "init"}, {"seconds", 1.5}}});
  EXPECT_EQ(
      events_.Next(position, 1000),
      R"({"seq":1,"time":"2026-12-01T03:41:42.500000Z","event":"started","life":1})"
      "\n"
      R"({"seq":2,"time":"2026-12-01T03:41:42.500000Z","event":"milestone","name":"init","seconds":1.5})"
      "\n");
  EXPECT_EQ(events_.Next(position, 1000), "");
}

TEST_F(EventStreamTest, KeepsWholeLinesTogether) {
  for (int i = 0; i < 3; ++i) {
    events_.Record({"paused"});
  }
  std::uint64_t position = events_.Oldest();
  for (std::uint64_t seq = 1; seq <= 3; ++seq) {
    EXPECT_EQ(Json::parse(events_.Next(position, 1))["seq"], seq);
  }
}

TEST_F(EventStreamTest, ASlowListenerIsToldHowManyItHasMissed) {
  std::uint64_t position = events_.Oldest();
  for (std::size_t i = 0; i < EventStream::kMostEvents + 10; ++i) {
    events_.Record({"paused"});
  }
  const std::string text = events_.Next(position, 1 << 20);
  EXPECT_EQ(text.substr(0, text.find('\n')), R"({"event":"dropped","count":10})");
  EXPECT_EQ(dropped_.value(), 10U);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'),
            static_cast<std::ptrdiff_t>(EventStream::kMostEvents + 1));
  const std::string rest = text.substr(text.find('\n') + 1);
  EXPECT_EQ(Json::parse(rest.substr(0, rest.find('\n')))["seq"], 11);
}

TEST_F(EventStreamTest, AGuestsWordsMakeNoEndlessOrBrokenLine) {
  events_.Record({"crashed", {{"detail", std::string(100'000, 'x') + "\n\xff"}}});
  events_.Record({"crashed", {{"detail", std::string("a\nb\xff")}}});
  std::uint64_t position = events_.Oldest();
  const Json first = Json::parse(events_.Next(position, 1));
  EXPECT_EQ(first["detail"].get<std::string>().size(), EventStream::kMostTextBytes);
  const std::string second = events_.Next(position, 1);
  EXPECT_EQ(std::count(second.begin(), second.end(), '\n'), 1);
  EXPECT_EQ(Json::parse(second)["detail"], "a\nb\xef\xbf\xbd");
}

}  // namespace
}  // namespace veneer
