// What guests have done to xenstore daemons before (the XSA rows of the threat list): nothing of it
// may stop the VMM, grow it without bound, or show a guest what is not its own.
#include <random>

#include "store_fixture.h"
#include "wire_client.h"

namespace veneer::test {
namespace {

class HostileGuest : public StoreFixture {
 protected:
  HostileGuest() {
    guest_wire =
        std::make_unique<Connection>(store, counters, kGuestDomId, Connection::Kind::kGuest, [] {});
  }
  void Send(std::uint32_t type, std::string_view payload, std::uint32_t tx = 0) {
    const std::string request = MakeRequest(type, payload, tx);
    guest_wire->Feed(AsBytes(request));
  }
  std::vector<WireMessage> Replies() {
    std::string bytes = Drain(*guest_wire);
    return TakeMessages(&bytes);
  }
  std::string Reply(std::uint32_t type, std::string_view payload, std::uint32_t tx = 0) {
    Send(type, payload, tx);
    const auto replies = Replies();
    return replies.empty() ? "none" : Bars(replies.front().payload);
  }

  Metrics metrics;
  StoreCounters counters{metrics};
  std::unique_ptr<Connection> guest_wire;
};

TEST_F(HostileGuest, EveryEventFitsIntoAMessageWhateverTheToken) {
  const std::size_t longest = XENSTORE_PAYLOAD_MAX - XENSTORE_ABS_PATH_MAX - 2;
  EXPECT_EQ(Reply(XS_WATCH, Nuls("x|") + std::string(longest + 1, 't') + Nuls("|")), "EINVAL|");
  EXPECT_EQ(Reply(XS_WATCH, Nuls("/local/domain/1/x|") + std::string(longest, 't') + Nuls("|")),
            "OK|");
  const std::string prefix = "/local/domain/1/x/";
  const std::string path = prefix + std::string(XENSTORE_ABS_PATH_MAX - prefix.size(), 'p');
  Send(XS_WRITE, path + Nuls("|v"));
  bool seen = false;
  for (const WireMessage& message : Replies()) {
    EXPECT_LE(message.header.len, std::uint32_t{XENSTORE_PAYLOAD_MAX});
    seen = seen || message.payload.compare(0, path.size(), path) == 0;
  }
  EXPECT_TRUE(seen);
}

TEST_F(HostileGuest, AResetInsideATransactionEndsIt) {
  ASSERT_EQ(Reply(XS_TRANSACTION_START, Nuls("|")), "1|");
  ASSERT_EQ(Reply(XS_WRITE, Nuls("x|v"), 1), "OK|");
  EXPECT_EQ(Reply(XS_RESET_WATCHES, Nuls("|"), 1), "OK|");
  EXPECT_EQ(Reply(XS_TRANSACTION_END, Nuls("T|"), 1), "ENOENT|");
  EXPECT_EQ(Value("/local/domain/1/x"), "<ENOENT>");
}

TEST_F(HostileGuest, OddPathsAreRefused) {
  for (const std::string& path :
       {std::string("/"), std::string("//"), std::string("/local/domain/1//"), std::string("."),
        std::string(".."), std::string("/local/domain/1/../0"), std::string("/local/domain/0"),
        std::string(4000, '/'), std::string(4000, 'a'), std::string("@releaseDomain/x")}) {
    const std::string reply = Reply(XS_WRITE, path + Nuls("|v"));
    EXPECT_TRUE(reply == "EINVAL|" || reply == "EACCES|" || path.front() == '@') << path << reply;
  }
}

TEST_F(HostileGuest, UnreadRepliesStopTheProcessing) {
  ASSERT_EQ(Reply(XS_WRITE, Nuls("x|") + std::string(2000, 'v')), "OK|");
  const std::string request = MakeRequest(XS_READ, Nuls("x|"));
  std::size_t taken = 0;
  for (int i = 0; i < 1000; ++i) {
    taken += guest_wire->Feed(AsBytes(request));
  }
  EXPECT_LE(taken / request.size(), store.quotas().reply_bytes / 2000 + 1);
  EXPECT_FALSE(guest_wire->broken());
  EXPECT_EQ(Replies().size(), taken / request.size());
  EXPECT_EQ(guest_wire->Feed(AsBytes(request)), request.size());
}

TEST_F(HostileGuest, UnreadEventsAreDroppedBeyondTheLimit) {
  Send(XS_WATCH, Nuls("x|t|"));
  Replies();
  const std::string name(1000, 'n');
  for (int i = 0; i < 600; ++i) {
    ASSERT_TRUE(store.Write(*host, 0, "/local/domain/1/x/" + name + std::to_string(i), "v"));
  }
  EXPECT_GT(counters.events_dropped.value(), 0u);
  const std::string bytes = Drain(*guest_wire);
  EXPECT_LE(bytes.size(), store.quotas().event_bytes);
  EXPECT_EQ(Reply(XS_READ, Nuls("x|")), "");
}

TEST_F(HostileGuest, TheSameEventWaitsOnce) {
  Send(XS_WATCH, Nuls("x|t|"));
  Replies();
  for (int i = 0; i < 1000; ++i) {
    Put("/local/domain/1/x", std::to_string(i));
  }
  EXPECT_EQ(Replies().size(), 1u);
  Put("/local/domain/1/x", "again");
  EXPECT_EQ(Replies().size(), 1u);
}

TEST_F(HostileGuest, AnEventHalfSentDoesNotHideTheNext) {
  Send(XS_WATCH, Nuls("x|t|"));
  Replies();
  Put("/local/domain/1/x", "1");
  const auto part = guest_wire->Output().first(5);
  std::string bytes(reinterpret_cast<const char*>(part.data()), part.size());  // bytes as text
  guest_wire->ConsumeOutput(5);
  Put("/local/domain/1/x", "2");
  bytes += Drain(*guest_wire);
  EXPECT_EQ(TakeMessages(&bytes).size(), 2u);
}

TEST_F(HostileGuest, AHugeCommitWithManyWatchesStaysWithinTheLimits) {
  for (int i = 0; i < 128; ++i) {
    ASSERT_EQ(Reply(XS_WATCH, Nuls("x|" + std::to_string(i) + "|")), "OK|");
  }
  ASSERT_EQ(Reply(XS_TRANSACTION_START, Nuls("|")), "1|");
  for (int i = 0; i < 500; ++i) {
    ASSERT_EQ(Reply(XS_WRITE, Nuls("x/" + std::to_string(i) + "|v"), 1), "OK|");
  }
  Send(XS_TRANSACTION_END, Nuls("T|"), 1);
  EXPECT_LE(Drain(*guest_wire).size(), store.quotas().event_bytes + 100);
}

TEST_F(HostileGuest, DeepTreesAreMadeWatchedAndRemoved) {
  std::string path;
  for (int i = 0; i < 900; ++i) {
    path += path.empty() ? "d" : "/d";
  }
  ASSERT_EQ(Reply(XS_WRITE, path + Nuls("|v")), "OK|");
  ASSERT_EQ(Reply(XS_WATCH, path + Nuls("|t|")), "OK|");
  EXPECT_EQ(store.NodesOf(kGuestDomId), 901u);
  EXPECT_EQ(Reply(XS_RM, Nuls("d|")), "OK|");
  EXPECT_EQ(store.NodesOf(kGuestDomId), 1u);
}

TEST_F(HostileGuest, AFailedCommitAppliesNothing) {
  ASSERT_EQ(Reply(XS_TRANSACTION_START, Nuls("|")), "1|");
  ASSERT_EQ(Reply(XS_WRITE, Nuls("a|1"), 1), "OK|");
  ASSERT_EQ(Reply(XS_WRITE, Nuls("b|1"), 1), "OK|");
  Put("/local/domain/1/b", "host");
  EXPECT_EQ(Reply(XS_TRANSACTION_END, Nuls("T|"), 1), "EAGAIN|");
  EXPECT_EQ(Value("/local/domain/1/a"), "<ENOENT>");
  EXPECT_EQ(Value("/local/domain/1/b"), "host");
}

// Random messages, well-formed in the main, from a guest: every one gets an answer, the books
// balance in the end, and nothing outside the guest's own tree has changed.
TEST_F(HostileGuest, RandomRequestsNeverUnbalanceTheBooks) {
  std::mt19937_64 random(20240);
  const auto pick = [&](unsigned below) { return static_cast<unsigned>(random() % below); };
  for (int i = 0; i < 20000; ++i) {
    std::string payload;
    for (unsigned strings = pick(4); strings > 0; --strings) {
      constexpr std::string_view kWords[] = {"a",  "a/b", "a/b/c", "/", "",      "n1",
                                             "T",  "F",   "@x",    "0", "/tool", "b1",
                                             "r0", "..",  "/vm",   "1", "a/",    "/local/domain/1"};
      payload += kWords[pick(std::size(kWords))];
      payload.push_back('\0');
    }
    if (pick(10) == 0 && !payload.empty()) {
      payload.pop_back();
    }
    Send(pick(XS_TYPE_COUNT + 1), payload, pick(3) == 0 ? pick(12) : 0);
    unsigned replies = 0;
    for (const WireMessage& message : Replies()) {
      replies += message.header.type == XS_WATCH_EVENT ? 0 : 1;
    }
    ASSERT_EQ(replies, 1u);
    ASSERT_LE(store.WatchesOf(kGuestDomId), store.quotas().watches);
    ASSERT_LE(store.TransactionsOf(kGuestDomId), store.quotas().transactions);
  }
  EXPECT_EQ(store.NodesOf(kHostDomId), 3u);  // the root, /local, /local/domain
  ASSERT_TRUE(store.Remove(*host, 0, "/local/domain/1"));
  EXPECT_EQ(store.NodesOf(kGuestDomId), 0u);
}

}  // namespace
}  // namespace veneer::test
