// Every type of request over the wire, with its exact answers and errors.
#include "store_fixture.h"
#include "wire_client.h"

namespace veneer::test {
namespace {

class WireRequests : public StoreFixture {
 protected:
  WireRequests() {
    Connect(kGuestDomId, guest_wire, Connection::Kind::kGuest);
    Connect(kHostDomId, host_wire, Connection::Kind::kHostSocket);
  }
  void Connect(DomId domain, std::unique_ptr<Connection>& connection, Connection::Kind kind) {
    connection = std::make_unique<Connection>(store, counters, domain, kind, [this] { ++notices; });
  }

  // The reply's payload, "ERROR|..." for an error; checks what replies have in common. Events that
  // come along are kept.
  std::string Ask(Connection& connection, std::uint32_t type, std::string_view payload,
                  std::uint32_t tx = 0) {
    const std::string request = MakeRequest(type, Nuls(payload), tx, ++request_id);
    EXPECT_EQ(connection.Feed(AsBytes(request)), request.size());
    std::string bytes = Drain(connection);
    std::string reply = "none";
    for (const WireMessage& message : TakeMessages(&bytes)) {
      if (message.header.type == XS_WATCH_EVENT) {
        EXPECT_EQ(message.header.req_id, 0u);
        EXPECT_EQ(message.header.tx_id, 0u);
        EXPECT_NE(reply, "none") << "an event of the request before its reply";
        events.push_back(Bars(message.payload));
        continue;
      }
      EXPECT_EQ(reply, "none") << "a second reply";
      EXPECT_EQ(message.header.req_id, request_id);
      EXPECT_EQ(message.header.tx_id, tx);
      const bool error = message.header.type == XS_ERROR;
      EXPECT_TRUE(error || message.header.type == type);
      reply = (error ? "ERROR " : "") + Bars(message.payload);
    }
    EXPECT_TRUE(bytes.empty());
    return reply;
  }
  std::string Guest(std::uint32_t type, std::string_view payload, std::uint32_t tx = 0) {
    return Ask(*guest_wire, type, payload, tx);
  }
  std::string Host(std::uint32_t type, std::string_view payload, std::uint32_t tx = 0) {
    return Ask(*host_wire, type, payload, tx);
  }
  std::vector<std::string> TakeEvents() { return std::exchange(events, {}); }

  Metrics metrics;
  StoreCounters counters{metrics};
  int notices = 0;
  std::uint32_t request_id = 0;
  std::vector<std::string> events;
  std::unique_ptr<Connection> guest_wire;
  std::unique_ptr<Connection> host_wire;
};

TEST_F(WireRequests, Write) {
  EXPECT_EQ(Guest(XS_WRITE, "data/x|value"), "OK|");
  EXPECT_EQ(Value("/local/domain/1/data/x"), "value");
  EXPECT_EQ(Guest(XS_WRITE, "data/x|"), "OK|");
  EXPECT_EQ(Value("/local/domain/1/data/x"), "");
  EXPECT_EQ(Guest(XS_WRITE, "data/x|with|nuls|"), "OK|");
  EXPECT_EQ(Bars(Value("/local/domain/1/data/x")), "with|nuls|");
  EXPECT_EQ(Guest(XS_WRITE, "no-nul"), "ERROR EINVAL|");
  EXPECT_EQ(Guest(XS_WRITE, ""), "ERROR EINVAL|");
  EXPECT_EQ(Guest(XS_WRITE, "/elsewhere|v"), "ERROR EACCES|");
  EXPECT_EQ(Guest(XS_WRITE, "big|" + std::string(2049, 'x')), "ERROR ENOSPC|");
}

TEST_F(WireRequests, Read) {
  Put("/local/domain/1/x", Nuls("a|b"));
  EXPECT_EQ(Guest(XS_READ, "x|"), "a|b");
  EXPECT_EQ(Guest(XS_READ, "/local/domain/1/x|"), "a|b");
  EXPECT_EQ(Guest(XS_READ, "missing|"), "ERROR ENOENT|");
  EXPECT_EQ(Guest(XS_READ, "/tool|"), "ERROR EACCES|");
  for (const char* bad : {"", "|", "x", "x|y|", "x||", "a b|", "x/|", "/x//y|"}) {
    EXPECT_EQ(Guest(XS_READ, bad), "ERROR EINVAL|") << bad;
  }
}

TEST_F(WireRequests, MkdirAndRm) {
  EXPECT_EQ(Guest(XS_MKDIR, "a/b|"), "OK|");
  EXPECT_EQ(Guest(XS_MKDIR, "a/b|"), "OK|");
  EXPECT_EQ(Guest(XS_MKDIR, "a/b|x|"), "ERROR EINVAL|");
  EXPECT_EQ(Guest(XS_MKDIR, "/x|"), "ERROR EACCES|");
  EXPECT_EQ(Guest(XS_RM, "a|"), "OK|");
  EXPECT_EQ(Guest(XS_RM, "a|"), "OK|");
  EXPECT_EQ(Guest(XS_RM, "a/b|"), "ERROR ENOENT|");
  EXPECT_EQ(Guest(XS_RM, "/|"), "ERROR EACCES|");
  EXPECT_EQ(Host(XS_RM, "/|"), "ERROR EINVAL|");
  EXPECT_EQ(Guest(XS_RM, "a"), "ERROR EINVAL|");
}

TEST_F(WireRequests, Directory) {
  Put("/local/domain/1/d/one", "");
  Put("/local/domain/1/d/two", "");
  EXPECT_EQ(Guest(XS_DIRECTORY, "d|"), "one|two|");
  EXPECT_EQ(Guest(XS_DIRECTORY, "d/one|"), "");
  EXPECT_EQ(Guest(XS_DIRECTORY, "e|"), "ERROR ENOENT|");
  EXPECT_EQ(Guest(XS_DIRECTORY, "d"), "ERROR EINVAL|");
}

TEST_F(WireRequests, ALongDirectoryComesInParts) {
  std::string all;
  for (int i = 1000; i < 1900; ++i) {
    all += "child-" + std::to_string(i) + "|";
    Put("/big/child-" + std::to_string(i), "");
  }
  EXPECT_EQ(Host(XS_DIRECTORY, "/big|"), "ERROR E2BIG|");
  std::string collected;
  std::string generation;
  bool end = false;
  while (!end) {
    const std::string part =
        Host(XS_DIRECTORY_PART, "/big|" + std::to_string(collected.size()) + "|");
    ASSERT_LE(part.size(), std::size_t{XENSTORE_PAYLOAD_MAX});
    const std::size_t bar = part.find('|');
    ASSERT_NE(bar, std::string::npos) << part;
    EXPECT_TRUE(generation.empty() || generation == part.substr(0, bar));
    generation = part.substr(0, bar);
    std::string names = part.substr(bar + 1);
    end = names.size() >= 2 ? names.substr(names.size() - 2) == "||" : names == "|";
    names.resize(names.size() - (end ? 1 : 0));
    ASSERT_TRUE(end || !names.empty());
    collected += names;
  }
  EXPECT_EQ(collected, all);
  EXPECT_EQ(Host(XS_DIRECTORY_PART, "/big|" + std::to_string(all.size()) + "|"), generation + "||");
  EXPECT_EQ(Host(XS_DIRECTORY_PART, "/big|" + std::to_string(all.size() + 1) + "|"),
            "ERROR EINVAL|");
}

TEST_F(WireRequests, DirectoryPartChecksItsArguments) {
  EXPECT_EQ(Guest(XS_DIRECTORY_PART, "x|"), "ERROR EINVAL|");
  EXPECT_EQ(Guest(XS_DIRECTORY_PART, "x|0|"), "ERROR ENOENT|");
  ASSERT_EQ(Guest(XS_MKDIR, "x|"), "OK|");
  EXPECT_EQ(Guest(XS_DIRECTORY_PART, "x|-1|"), "ERROR EINVAL|");
  EXPECT_EQ(Guest(XS_DIRECTORY_PART, "x|y|"), "ERROR EINVAL|");
  EXPECT_EQ(Guest(XS_DIRECTORY_PART, "x|99999999999999999999|"), "ERROR EINVAL|");
  EXPECT_EQ(Guest(XS_DIRECTORY_PART, "/tool|0|"), "ERROR EACCES|");
}

TEST_F(WireRequests, Permissions) {
  ASSERT_EQ(Guest(XS_MKDIR, "x|"), "OK|");
  EXPECT_EQ(Guest(XS_GET_PERMS, "x|"), "n1|");
  EXPECT_EQ(Guest(XS_SET_PERMS, "x|r1|b0|w3|"), "OK|");
  EXPECT_EQ(Guest(XS_GET_PERMS, "x|"), "r1|b0|w3|");
  EXPECT_EQ(Guest(XS_SET_PERMS, "x|n0|"), "ERROR EPERM|");
  for (const char* bad : {"x|", "x", "x|z1|", "x|n|", "x|n1|n99999|"}) {
    EXPECT_EQ(Guest(XS_SET_PERMS, bad), "ERROR EINVAL|") << bad;
  }
  EXPECT_EQ(Guest(XS_SET_PERMS, "x|n1|r2|r3|r4|r5|r6|"), "ERROR ENOSPC|");
  EXPECT_EQ(Guest(XS_SET_PERMS, "missing|n1|"), "ERROR ENOENT|");
  EXPECT_EQ(Guest(XS_SET_PERMS, "/tool|n1|"), "ERROR EACCES|");
  EXPECT_EQ(Guest(XS_GET_PERMS, "missing|"), "ERROR ENOENT|");
  EXPECT_EQ(Guest(XS_GET_PERMS, ""), "ERROR EINVAL|");
}

TEST_F(WireRequests, WatchRepliesFirstAndThenTellsTheStart) {
  EXPECT_EQ(Guest(XS_WATCH, "device|token|"), "OK|");
  EXPECT_EQ(TakeEvents(), (std::vector<std::string>{"device|token|"}));
  EXPECT_EQ(Guest(XS_WATCH, "device|token|"), "ERROR EEXIST|");
  EXPECT_EQ(Guest(XS_WATCH, "@releaseDomain|t|"), "OK|");
  EXPECT_EQ(TakeEvents(), (std::vector<std::string>{"@releaseDomain|t|"}));
  for (const char* bad : {"", "device|", "device", "de vice|t|", "@ x|t|", "/x/|t|"}) {
    EXPECT_EQ(Guest(XS_WATCH, bad), "ERROR EINVAL|") << bad;
  }
  EXPECT_TRUE(TakeEvents().empty());
  EXPECT_EQ(Guest(XS_WRITE, "device/x|v"), "OK|");
  EXPECT_EQ(TakeEvents(), (std::vector<std::string>{"device|token|", "device/x|token|"}));
  EXPECT_EQ(Guest(XS_UNWATCH, "device|token|"), "OK|");
  EXPECT_EQ(Guest(XS_UNWATCH, "device|token|"), "ERROR ENOENT|");
  EXPECT_EQ(Guest(XS_UNWATCH, "device|"), "ERROR EINVAL|");
}

TEST_F(WireRequests, Transactions) {
  EXPECT_EQ(Guest(XS_TRANSACTION_START, "|"), "1|");
  EXPECT_EQ(Guest(XS_TRANSACTION_START, "|", 1), "ERROR EBUSY|");
  EXPECT_EQ(Guest(XS_TRANSACTION_START, "|", 9), "ERROR ENOENT|");
  EXPECT_EQ(Guest(XS_WRITE, "x|v", 1), "OK|");
  EXPECT_EQ(Guest(XS_READ, "x|", 1), "v");
  EXPECT_EQ(Guest(XS_READ, "x|"), "ERROR ENOENT|");
  EXPECT_EQ(Guest(XS_TRANSACTION_END, "X|", 1), "ERROR EINVAL|");
  EXPECT_EQ(Guest(XS_TRANSACTION_END, "T", 1), "ERROR EINVAL|");
  EXPECT_EQ(Guest(XS_TRANSACTION_END, "T|", 1), "OK|");
  EXPECT_EQ(Guest(XS_READ, "x|"), "v");
  EXPECT_EQ(Guest(XS_TRANSACTION_END, "T|", 1), "ERROR ENOENT|");
  EXPECT_EQ(Guest(XS_TRANSACTION_END, "T|"), "ERROR ENOENT|");
  EXPECT_EQ(Guest(XS_READ, "x|", 1), "ERROR ENOENT|");
  EXPECT_EQ(Guest(XS_TRANSACTION_START, "|"), "2|");
  EXPECT_EQ(Guest(XS_WRITE, "x|w", 2), "OK|");
  Put("/local/domain/1/x", "host");
  EXPECT_EQ(Guest(XS_TRANSACTION_END, "T|", 2), "ERROR EAGAIN|");
  EXPECT_EQ(Guest(XS_TRANSACTION_START, "|"), "3|");
  EXPECT_EQ(Guest(XS_TRANSACTION_END, "F|", 3), "OK|");
}

TEST_F(WireRequests, TheTransactionOfARequestAboutSomethingElseIsIgnored) {
  EXPECT_EQ(Guest(XS_WATCH, "device|t|", 77), "OK|");
  EXPECT_EQ(Guest(XS_UNWATCH, "device|t|", 77), "OK|");
  EXPECT_EQ(Guest(XS_GET_DOMAIN_PATH, "1|", 77), "/local/domain/1|");
}

TEST_F(WireRequests, DomainPaths) {
  EXPECT_EQ(Guest(XS_GET_DOMAIN_PATH, "1|"), "/local/domain/1|");
  EXPECT_EQ(Guest(XS_GET_DOMAIN_PATH, "0012|"), "/local/domain/12|");
  for (const char* bad : {"", "1", "x|", "-1|", "65536|", "|", "1|2|"}) {
    EXPECT_EQ(Guest(XS_GET_DOMAIN_PATH, bad), "ERROR EINVAL|") << bad;
    EXPECT_EQ(Guest(XS_IS_DOMAIN_INTRODUCED, bad), "ERROR EINVAL|") << bad;
  }
}

TEST_F(WireRequests, IntroductionAndReleaseAreForDomainZero) {
  EXPECT_EQ(Guest(XS_INTRODUCE, "1|2|3|"), "ERROR EACCES|");
  EXPECT_EQ(Guest(XS_RELEASE, "1|"), "ERROR EACCES|");
  EXPECT_EQ(Guest(XS_RESUME, "1|"), "ERROR EACCES|");
  EXPECT_EQ(Guest(XS_SET_TARGET, "1|1|"), "ERROR EACCES|");
  EXPECT_EQ(Host(XS_IS_DOMAIN_INTRODUCED, "0|"), "T|");
  EXPECT_EQ(Host(XS_IS_DOMAIN_INTRODUCED, "32752|"), "T|");
  EXPECT_EQ(Host(XS_IS_DOMAIN_INTRODUCED, "1|"), "F|");
  EXPECT_EQ(Host(XS_RELEASE, "1|"), "ERROR ENOENT|");
  EXPECT_EQ(Host(XS_RESUME, "1|"), "ERROR ENOENT|");
  EXPECT_EQ(Host(XS_INTRODUCE, "1|2|"), "ERROR EINVAL|");
  EXPECT_EQ(Host(XS_INTRODUCE, "0|2|3|"), "ERROR EINVAL|");
  EXPECT_EQ(Host(XS_INTRODUCE, "2|2|3|"), "ERROR EINVAL|");
  EXPECT_EQ(Host(XS_WATCH, "@introduceDomain|t|"), "OK|");
  TakeEvents();
  EXPECT_EQ(Host(XS_INTRODUCE, "1|2|3|"), "OK|");
  EXPECT_EQ(TakeEvents(), (std::vector<std::string>{"@introduceDomain|t|"}));
  EXPECT_EQ(Guest(XS_IS_DOMAIN_INTRODUCED, "1|"), "T|");
  EXPECT_EQ(Host(XS_RESUME, "1|"), "OK|");
  EXPECT_EQ(Host(XS_RESUME, "0|"), "ERROR EINVAL|");
  EXPECT_EQ(Host(XS_SET_TARGET, "1|1|"), "OK|");
  EXPECT_EQ(Host(XS_SET_TARGET, "1|5|"), "ERROR ENOENT|");
  EXPECT_EQ(Host(XS_SET_TARGET, "1|"), "ERROR EINVAL|");
  EXPECT_EQ(Host(XS_RELEASE, "0|"), "ERROR EINVAL|");
  EXPECT_EQ(Host(XS_RELEASE, "1|"), "OK|");
  EXPECT_EQ(Guest(XS_IS_DOMAIN_INTRODUCED, "1|"), "F|");
}

TEST_F(WireRequests, ResetWatches) {
  ASSERT_EQ(Guest(XS_WATCH, "device|t|"), "OK|");
  ASSERT_EQ(Guest(XS_TRANSACTION_START, "|"), "1|");
  TakeEvents();
  EXPECT_EQ(Guest(XS_RESET_WATCHES, "|"), "OK|");
  EXPECT_EQ(Guest(XS_READ, "device|", 1), "ERROR ENOENT|");
  ASSERT_EQ(Guest(XS_MKDIR, "device|"), "OK|");
  EXPECT_TRUE(TakeEvents().empty());
}

TEST_F(WireRequests, ControlIsRefused) {
  EXPECT_EQ(Guest(XS_CONTROL, "print|hello|"), "ERROR EACCES|");
  EXPECT_EQ(Host(XS_CONTROL, "print|hello|"), "ERROR EINVAL|");
}

TEST_F(WireRequests, UnknownTypesAreEnosys) {
  for (const std::uint32_t type :
       {std::uint32_t{XS_WATCH_EVENT}, std::uint32_t{XS_ERROR}, std::uint32_t{XS_SET_TARGET} + 1,
        std::uint32_t{XS_TYPE_COUNT}, std::uint32_t{XS_INVALID}, 0xffffffffu}) {
    EXPECT_EQ(Guest(type, "x|"), "ERROR ENOSYS|") << type;
    EXPECT_EQ(Host(type, "x|"), "ERROR ENOSYS|") << type;
  }
}

TEST_F(WireRequests, AHostSocketHasNoRelativePaths) {
  EXPECT_EQ(Host(XS_READ, "local|"), "ERROR EINVAL|");
  EXPECT_EQ(Host(XS_WATCH, "local|t|"), "ERROR EINVAL|");
}

TEST_F(WireRequests, ATooLongMessageBreaksTheConnection) {
  ASSERT_EQ(Guest(XS_WATCH, "device|t|"), "OK|");
  ASSERT_EQ(Guest(XS_TRANSACTION_START, "|"), "1|");
  xsd_sockmsg header{};
  header.type = XS_READ;
  header.len = XENSTORE_PAYLOAD_MAX + 1;
  std::string bytes(sizeof header, '\0');
  std::memcpy(bytes.data(), &header, sizeof header);
  guest_wire->Feed(AsBytes(bytes));
  EXPECT_TRUE(guest_wire->broken());
  EXPECT_EQ(store.WatchesOf(kGuestDomId), 0u);
  EXPECT_EQ(store.TransactionsOf(kGuestDomId), 0u);
  EXPECT_EQ(guest_wire->Feed(AsBytes(MakeRequest(XS_READ, Nuls("x|")))), 0u);
  EXPECT_TRUE(guest_wire->Output().empty());
  EXPECT_EQ(counters.broken_connections.value(), 1u);
}

TEST_F(WireRequests, OneNoticeWhenSomethingIsToBeSent) {
  const std::string request = MakeRequest(XS_READ, Nuls("x|"));
  guest_wire->Feed(AsBytes(request + request));
  EXPECT_EQ(notices, 1);
  Drain(*guest_wire);
  guest_wire->Feed(AsBytes(request));
  EXPECT_EQ(notices, 2);
}

TEST_F(WireRequests, EventsOfOthersInterleaveWithRepliesButNotWithin) {
  ASSERT_EQ(Guest(XS_WATCH, "device|t|"), "OK|");
  TakeEvents();
  Put("/local/domain/1/device/a", "1");
  const std::string request = MakeRequest(XS_WRITE, Nuls("device/b|v"), 0, 42);
  guest_wire->Feed(AsBytes(request));
  Put("/local/domain/1/device/c", "1");
  std::string bytes = Drain(*guest_wire);
  std::vector<std::string> order;
  for (const WireMessage& message : TakeMessages(&bytes)) {
    order.push_back(message.header.type == XS_WATCH_EVENT ? Bars(message.payload) : "reply");
  }
  EXPECT_EQ(order, (std::vector<std::string>{"device|t|", "device/a|t|", "reply", "device/b|t|",
                                             "device/c|t|"}));
}

}  // namespace
}  // namespace veneer::test
