#include "veneer/vmm/control/store_control.h"

#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "veneer/xencompat/xenstore/standard_tree.h"

namespace veneer {
namespace {

using ::testing::HasSubstr;

constexpr char kShutdown[] = "/local/domain/1/control/shutdown";
// Only what hangs gets there.
constexpr std::uint64_t kLongNs = 60'000'000'000;

class StoreControlTest : public ::testing::Test {
 protected:
  StoreControlTest() {
    DomainDescription domain;
    domain.name = "guest";
    domain.uuid = "12345678-9abc-def0-1234-56789abcdef0";
    domain.memory_target_kib = 131072;
    domain.memory_max_kib = 262144;
    EXPECT_TRUE(WriteStandardTree(client_, domain));
  }
  // What a guest's kernel does: it acknowledges what it knows by writing "".
  void LetTheGuestListen() {
    guest_watch_ = client_
                       .Watch(kShutdown, *loop_,
                              [this](const std::string&) {
                                const std::string word = client_.Read(kShutdown).value_or("");
                                if (!word.empty()) {
                                  seen_.push_back(word);
                                  EXPECT_TRUE(client_.Write(kShutdown, ""));
                                }
                              })
                       .value();
  }
  // Runs the loop until the request is answered.
  Result<void> Request(StoreControl& control, ShutdownKind kind) {
    std::optional<Result<void>> answer;
    control.RequestShutdown(kind, [&](Result<void> result) {
      answer = std::move(result);
      loop_->Stop();
    });
    loop_->Run();
    return *answer;
  }

  XenstoreService service_;
  XenstoreClient client_{service_};
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create().value();
  std::unique_ptr<XenstoreWatch> guest_watch_;
  std::vector<std::string> seen_;
};

TEST_F(StoreControlTest, AGuestThatListensIsAskedToPowerOff) {
  StoreControl control(client_, *loop_, kGuestDomId, kLongNs);
  LetTheGuestListen();
  EXPECT_TRUE(Request(control, ShutdownKind::kPowerOff));
  EXPECT_EQ(seen_, std::vector<std::string>{"poweroff"});
}

TEST_F(StoreControlTest, AGuestThatListensIsAskedToReboot) {
  StoreControl control(client_, *loop_, kGuestDomId, kLongNs);
  LetTheGuestListen();
  EXPECT_TRUE(Request(control, ShutdownKind::kReboot));
  EXPECT_EQ(seen_, std::vector<std::string>{"reboot"});
}

TEST_F(StoreControlTest, ARequestThatNobodyTakesIsWithdrawn) {
  StoreControl control(client_, *loop_, kGuestDomId, 1'000'000);
  const Result<void> answer = Request(control, ShutdownKind::kPowerOff);
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message, HasSubstr("does not listen"));
  EXPECT_EQ(client_.Read(kShutdown), "") << "it must not end a guest that comes up later";
}

TEST_F(StoreControlTest, AnAnswerAtTheVeryEndCounts) {
  StoreControl control(client_, *loop_, kGuestDomId, 0);
  std::optional<Result<void>> answer;
  control.RequestShutdown(ShutdownKind::kPowerOff, [&](Result<void> result) {
    answer = std::move(result);
    loop_->Stop();
  });
  EXPECT_TRUE(client_.Write(kShutdown, ""));
  loop_->Run();
  ASSERT_TRUE(answer.has_value());
  EXPECT_TRUE(*answer);
}

TEST_F(StoreControlTest, AGuestMayTakeTheKeyAway) {
  StoreControl control(client_, *loop_, kGuestDomId, kLongNs);
  loop_->Post([this] { EXPECT_TRUE(client_.Remove(kShutdown)); });
  EXPECT_TRUE(Request(control, ShutdownKind::kPowerOff));
}

TEST_F(StoreControlTest, ASecondRequestDoesNotDisturbTheFirst) {
  StoreControl control(client_, *loop_, kGuestDomId, kLongNs);
  Result<void> second;
  loop_->Post([&] {
    control.RequestShutdown(ShutdownKind::kReboot,
                            [&](Result<void> result) { second = std::move(result); });
    EXPECT_EQ(client_.Read(kShutdown), "poweroff");
    LetTheGuestListen();
  });
  EXPECT_TRUE(Request(control, ShutdownKind::kPowerOff));
  EXPECT_FALSE(second);
  EXPECT_EQ(seen_, std::vector<std::string>{"poweroff"});
}

TEST_F(StoreControlTest, ARequestMayFollowAnother) {
  StoreControl control(client_, *loop_, kGuestDomId, kLongNs);
  LetTheGuestListen();
  Result<void> second = UsageError("not asked");
  control.RequestShutdown(ShutdownKind::kReboot, [&](const Result<void>& first) {
    EXPECT_TRUE(first);
    control.RequestShutdown(ShutdownKind::kPowerOff, [&](Result<void> result) {
      second = std::move(result);
      loop_->Stop();
    });
  });
  loop_->Run();
  EXPECT_TRUE(second);
  EXPECT_EQ(seen_, (std::vector<std::string>{"reboot", "poweroff"}));
}

TEST_F(StoreControlTest, ARequestIsDroppedWithItsGuest) {
  bool answered = false;
  {
    StoreControl control(client_, *loop_, kGuestDomId, 0);
    control.RequestShutdown(ShutdownKind::kPowerOff, [&](const Result<void>&) { answered = true; });
  }
  loop_->Post([this] { loop_->Stop(); });
  loop_->Run();
  EXPECT_FALSE(answered);
}

TEST_F(StoreControlTest, SysRqIsOneKey) {
  StoreControl control(client_, *loop_);
  ASSERT_TRUE(control.PressSysRq("s"));
  EXPECT_EQ(client_.Read("/local/domain/1/control/sysrq"), "s");
  for (const char* bad : {"", "ss", "S", " ", "\n", "\xc3"}) {
    EXPECT_FALSE(control.PressSysRq(bad)) << bad;
  }
  EXPECT_EQ(client_.Read("/local/domain/1/control/sysrq"), "s");
}

TEST_F(StoreControlTest, TheMemoryTargetIsInKib) {
  StoreControl control(client_, *loop_);
  EXPECT_EQ(control.MemoryTarget(), std::uint64_t{128} << 20U);
  ASSERT_TRUE(control.SetMemoryTarget(std::uint64_t{64} << 20U));
  EXPECT_EQ(client_.Read("/local/domain/1/memory/target"), "65536");
  EXPECT_EQ(control.MemoryTarget(), std::uint64_t{64} << 20U);
  ASSERT_TRUE(client_.Write("/local/domain/1/memory/target", "much"));
  EXPECT_EQ(control.MemoryTarget(), std::nullopt);
}

TEST_F(StoreControlTest, ListsEachNodeBeforeItsChildren) {
  StoreControl control(client_, *loop_);
  ASSERT_TRUE(client_.Remove("/local"));
  ASSERT_TRUE(client_.Remove("/vm"));
  ASSERT_TRUE(client_.Remove("/tool"));
  ASSERT_TRUE(client_.Write("/b", "2"));
  ASSERT_TRUE(client_.Write("/a/y/z", std::string("nul\0", 4)));
  ASSERT_TRUE(client_.Write("/a/x", "1"));
  const StoreListing listing = control.List();
  std::vector<std::string> lines;
  for (const StoreNode& node : listing.nodes) {
    lines.push_back(node.path + "=" + node.value);
  }
  EXPECT_EQ(lines, (std::vector<std::string>{"/a=", "/a/x=1", "/a/y=", "/a/y/z=nul\\x00", "/b=2"}));
  EXPECT_FALSE(listing.truncated);
}

TEST_F(StoreControlTest, AListingHasALimit) {
  StoreControl control(client_, *loop_);
  for (int i = 0; i < 600; ++i) {
    ASSERT_TRUE(client_.Write("/data/" + std::to_string(i), std::string(2000, 'x')));
  }
  const StoreListing listing = control.List();
  EXPECT_TRUE(listing.truncated);
  std::size_t size = 0;
  for (const StoreNode& node : listing.nodes) {
    size += node.path.size() + node.value.size();
  }
  EXPECT_LE(size, StoreControl::kListingLimit);
  EXPECT_GT(size, StoreControl::kListingLimit / 2);
}

TEST(EscapeStoreValue, LeavesPrintableAscii) {
  EXPECT_EQ(EscapeStoreValue(""), "");
  EXPECT_EQ(EscapeStoreValue("plain ~text"), "plain ~text");
  EXPECT_EQ(EscapeStoreValue("a\nb\rc\td\\e\"f"), "a\\nb\\rc\\td\\\\e\\\"f");
  EXPECT_EQ(EscapeStoreValue(std::string_view("\0\x1b\x7f\xff", 4)), "\\x00\\x1b\\x7f\\xff");
}

}  // namespace
}  // namespace veneer
