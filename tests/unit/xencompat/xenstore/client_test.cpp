#include "veneer/xencompat/xenstore/client.h"

#include <deque>

#include <gtest/gtest.h>

#include "must.h"
#include "ring_guest.h"
#include "veneer/xencompat/xenstore/guest_ring.h"

namespace veneer::test {
namespace {

class Client : public ::testing::Test {
 protected:
  XenstoreClient::Poster Poster() {
    return [this](std::function<void()> task) { posted.push_back(std::move(task)); };
  }
  void RunPosted() {
    while (!posted.empty()) {
      const auto task = std::move(posted.front());
      posted.pop_front();
      task();
    }
  }
  std::unique_ptr<XenstoreWatch> Watch(std::string_view path) {
    return client.Watch(path, Poster(), [this](const std::string& p) { seen.push_back(p); })
        .value();
  }
  std::vector<std::string> Seen() {
    RunPosted();
    return std::exchange(seen, {});
  }

  XenstoreService service;
  XenstoreClient client{service};
  std::deque<std::function<void()>> posted;
  std::vector<std::string> seen;
};

TEST_F(Client, ReadsAndWrites) {
  EXPECT_TRUE(client.Write("/a/b", "text"));
  EXPECT_EQ(client.Read("/a/b"), "text");
  EXPECT_TRUE(client.WriteNumber("/a/n", 18446744073709551615u));
  EXPECT_EQ(client.ReadNumber("/a/n"), 18446744073709551615u);
  EXPECT_EQ(client.ReadNumber("/a/b").error(), XsError::kInvalid);
  EXPECT_EQ(client.ReadNumber("/a").error(), XsError::kInvalid);
  EXPECT_EQ(client.ReadNumber("/a/x").error(), XsError::kNotFound);
  EXPECT_EQ(client.Directory("/a"), (std::vector<std::string>{"b", "n"}));
  EXPECT_TRUE(client.Remove("/a/b"));
  EXPECT_EQ(client.Read("/a/b").error(), XsError::kNotFound);
  EXPECT_EQ(client.Read("relative").error(), XsError::kInvalid);
  EXPECT_TRUE(client.SetPermissions("/a", XsShared(kHostDomId, kGuestDomId, XsAccess::kRead)));
  EXPECT_EQ(client.GetPermissions("/a"), XsShared(kHostDomId, kGuestDomId, XsAccess::kRead));
}

TEST_F(Client, TransactCommitsAllOrNothing) {
  EXPECT_TRUE(client.Transact([](XenstoreTransaction& t) -> XsResult<void> {
    return t.Write("/a", "1").and_then([&] { return t.Write("/b", "2"); });
  }));
  EXPECT_EQ(client.Read("/b"), "2");
  const auto failed = client.Transact([](XenstoreTransaction& t) -> XsResult<void> {
    Must(t.Write("/a", "changed"));
    return tl::unexpected(XsError::kBusy);
  });
  EXPECT_EQ(failed.error(), XsError::kBusy);
  EXPECT_EQ(client.Read("/a"), "1");
}

TEST_F(Client, TransactTriesAgainAfterAConflict) {
  Must(client.Write("/n", "0"));
  int attempts = 0;
  EXPECT_TRUE(client.Transact([&](XenstoreTransaction& t) -> XsResult<void> {
    const auto value = t.ReadNumber("/n");
    if (++attempts < 3) {
      Must(client.WriteNumber("/n", static_cast<std::uint64_t>(attempts) * 10));
    }
    return t.WriteNumber("/n", *value + 1);
  }));
  EXPECT_EQ(attempts, 3);
  EXPECT_EQ(client.Read("/n"), "21");
}

TEST_F(Client, TransactGivesUpInTheEnd) {
  Must(client.Write("/n", "0"));
  int attempts = 0;
  const auto result = client.Transact([&](XenstoreTransaction& t) -> XsResult<void> {
    ++attempts;
    Must(t.Write("/n", "mine"));
    return client.Write("/n", "theirs");
  });
  EXPECT_EQ(result.error(), XsError::kAgain);
  EXPECT_EQ(attempts, XenstoreClient::kAttempts);
  EXPECT_EQ(service.UsageOf(kHostDomId).transactions, 0u);
}

TEST_F(Client, WatchesArePostedAndBeginWithTheirPath) {
  const auto watch = Watch("/a");
  EXPECT_TRUE(seen.empty());
  EXPECT_EQ(Seen(), std::vector<std::string>{"/a"});
  Must(client.Write("/a/x", "1"));
  Must(client.Write("/b", "1"));
  EXPECT_EQ(posted.size(), 1u);
  EXPECT_EQ(Seen(), (std::vector<std::string>{"/a", "/a/x"}));
}

TEST_F(Client, RepeatedChangesMakeOneCall) {
  const auto watch = Watch("/a");
  Seen();
  for (int i = 0; i < 100; ++i) {
    Must(client.WriteNumber("/a", static_cast<std::uint64_t>(i)));
  }
  EXPECT_EQ(posted.size(), 1u);
  EXPECT_EQ(Seen(), std::vector<std::string>{"/a"});
  Must(client.Write("/a", "again"));
  EXPECT_EQ(Seen(), std::vector<std::string>{"/a"});
}

TEST_F(Client, AFloodBecomesOneCallWithThePathOfTheWatch) {
  Must(client.Mkdir("/a"));
  const auto watch = Watch("/a");
  Seen();
  for (int i = 0; i < 1200; ++i) {
    Must(client.Write("/a/n" + std::to_string(i), ""));
  }
  EXPECT_EQ(posted.size(), 1u);
  EXPECT_EQ(Seen(), std::vector<std::string>{"/a"});
  Must(client.Write("/a/n7", ""));
  EXPECT_EQ(Seen(), std::vector<std::string>{"/a/n7"});
}

TEST_F(Client, ADestroyedWatchIsSilentEvenIfACallWasUnderWay) {
  auto watch = Watch("/a");
  watch.reset();
  Must(client.Write("/a", "1"));
  EXPECT_TRUE(Seen().empty());
  EXPECT_EQ(service.UsageOf(kHostDomId).watches, 0u);
}

TEST_F(Client, ACallbackMayUseTheStoreAndEndItsWatch) {
  std::unique_ptr<XenstoreWatch> watch;
  int calls = 0;
  watch = client
              .Watch("/a", Poster(),
                     [&](const std::string& path) {
                       ++calls;
                       Must(client.Write("/copy", path));
                       watch.reset();
                     })
              .value();
  Must(client.Write("/a/b", "1"));
  RunPosted();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(client.Read("/copy"), "/a");
}

TEST_F(Client, HearsOfGuestsThatBeginToWatch) {
  const auto watchers =
      client.WatchWatchers("/a/b", Poster(), [this](const std::string& p) { seen.push_back(p); })
          .value();
  EXPECT_TRUE(client.Write("/a/b", "changes are none of its business"));
  EXPECT_TRUE(Seen().empty());
  RingGuest guest;
  XenstoreGuestRing ring(service, kGuestDomId, guest.page(), [] {});
  for (const char* watch : {"/a/b|1|", "/a/b|2|", "/a|3|", "/a/b/c|4|"}) {
    guest.Put(MakeRequest(XS_WATCH, Nuls(watch)));
    ring.Notify();
  }
  EXPECT_EQ(Seen(), std::vector<std::string>{"/a/b"}) << "of what came close together, once";
  const auto own = Watch("/a/b");
  EXPECT_EQ(Seen(), std::vector<std::string>{"/a/b"}) << "its own beginning: this is no guest";
}

TEST_F(Client, WatchesSpecialEvents) {
  const auto watch = Watch("@releaseDomain");
  Seen();
  service.IntroduceDomain(kGuestDomId);
  EXPECT_TRUE(Seen().empty());
  service.ReleaseDomain(kGuestDomId);
  EXPECT_EQ(Seen(), std::vector<std::string>{"@releaseDomain"});
}

TEST_F(Client, AMalformedPathCannotBeWatched) {
  const auto result = client.Watch("a b", Poster(), [](const std::string&) {});
  EXPECT_EQ(result.error(), XsError::kInvalid);
  EXPECT_TRUE(posted.empty());
}

TEST_F(Client, WatchesRunOnAnEventLoop) {
  const auto loop = EventLoop::Create().value();
  const auto watch = client
                         .Watch("/a", *loop,
                                [&](const std::string& path) {
                                  seen.push_back(path);
                                  loop->Stop();
                                })
                         .value();
  loop->Run();
  EXPECT_EQ(seen, std::vector<std::string>{"/a"});
}

}  // namespace
}  // namespace veneer::test
