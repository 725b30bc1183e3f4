#include "veneer/vmm/base/inquiry.h"

#include <optional>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace veneer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Longer than any test runs.
constexpr std::uint64_t kForEverNs = 3'600'000'000'000;

class InquiryTest : public ::testing::Test {
 protected:
  Inquiry::Done Done() {
    return [this](std::vector<std::string> lines) {
      EXPECT_FALSE(lines_.has_value());
      lines_ = std::move(lines);
      loop_->Stop();
    };
  }
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create().value();
  std::optional<std::vector<std::string>> lines_;
};

TEST_F(InquiryTest, AnswersFromOtherThreadsStandInTheOrderOfAsking) {
  const auto inquiry = Inquiry::Begin(*loop_, Done());
  const Inquiry::Answer first = inquiry->Ask("first");
  inquiry->Add({"known"});
  const Inquiry::Answer second = inquiry->Ask("second");
  inquiry->End(kForEverNs);
  std::thread other([&] {
    second("2");
    second("not this one");
    first("1");
  });
  loop_->Run();
  other.join();
  EXPECT_THAT(lines_.value(), ElementsAre("1", "known", "2"));
}

TEST_F(InquiryTest, WhoHasAnsweredBeforeTheEndIsNotWaitedFor) {
  const auto inquiry = Inquiry::Begin(*loop_, Done());
  inquiry->Ask("quick")("at once");
  EXPECT_FALSE(lines_.has_value());
  inquiry->End(kForEverNs);
  EXPECT_THAT(lines_.value(), ElementsAre("at once"));
}

TEST_F(InquiryTest, NobodyAskedIsAnAnswerToo) {
  Inquiry::Begin(*loop_, Done())->End(kForEverNs);
  EXPECT_THAT(lines_.value(), IsEmpty());
}

TEST_F(InquiryTest, WhoDoesNotAnswerInTimeIsNamedAndMayDoSoLater) {
  const auto inquiry = Inquiry::Begin(*loop_, Done());
  const Inquiry::Answer late = inquiry->Ask("vCPU 1");
  inquiry->Ask("vCPU 2")("halted");
  inquiry->End(/*limit_ns=*/0);
  loop_->Run();
  EXPECT_THAT(lines_.value(), ElementsAre("vCPU 1: does not answer", "halted"));
  late("too late");
}

}  // namespace
}  // namespace veneer
