#include "veneer/xencompat/xenstore/guest_ring.h"

#include <gtest/gtest.h>

#include "must.h"
#include "ring_guest.h"
#include "veneer/xencompat/xenstore/client.h"
#include "veneer/xencompat/xenstore/standard_tree.h"

namespace veneer::test {
namespace {

class GuestRing : public ::testing::Test {
 protected:
  GuestRing() {
    Must(client.Mkdir("/local/domain/1"));
    Must(client.SetPermissions("/local/domain/1", XsPrivate(kGuestDomId)));
    Start();
  }
  void Start() {
    ring = std::make_unique<XenstoreGuestRing>(service, kGuestDomId, guest.page(),
                                               [this] { ++notified; });
  }
  // Sends the bytes as a guest does, with as many rounds as they take, and collects the answers.
  std::vector<WireMessage> Exchange(std::string_view bytes) {
    std::string answers;
    while (!bytes.empty()) {
      const std::size_t count = guest.Put(bytes);
      bytes.remove_prefix(count);
      ring->Notify();
      const std::string part = guest.Get();
      answers += part;
      EXPECT_TRUE(count > 0 || !part.empty()) << "neither side moves";
    }
    ring->Notify();
    for (std::string part = guest.Get(); !part.empty(); part = guest.Get()) {
      answers += part;
      ring->Notify();
    }
    auto messages = TakeMessages(&answers);
    EXPECT_TRUE(answers.empty());
    return messages;
  }
  std::string Ask(std::uint32_t type, std::string_view payload, std::uint32_t tx = 0) {
    const auto messages = Exchange(MakeRequest(type, Nuls(payload), tx));
    return messages.size() == 1 ? Bars(messages[0].payload) : "not one reply";
  }
  bool Dead() {
    const auto before = guest.rsp_prod().load();
    guest.Put(MakeRequest(XS_READ, Nuls("x|")));
    ring->Notify();
    return guest.rsp_prod().load() == before;
  }

  Metrics metrics;
  XenstoreService service{{{}, &metrics}};
  XenstoreClient client{service};
  RingGuest guest;
  int notified = 0;
  std::unique_ptr<XenstoreGuestRing> ring;
};

TEST_F(GuestRing, OffersItsFeaturesFromTheStart) {
  EXPECT_EQ(guest.features().load(),
            std::uint32_t{XENSTORE_SERVER_FEATURE_RECONNECTION | XENSTORE_SERVER_FEATURE_ERROR});
  EXPECT_EQ(guest.connection().load(), std::uint32_t{XENSTORE_CONNECTED});
  EXPECT_EQ(guest.error().load(), std::uint32_t{XENSTORE_ERROR_NONE});
}

TEST_F(GuestRing, AnswersBeforeNotifyReturnsAndRaisesTheEvent) {
  guest.Put(MakeRequest(XS_WRITE, Nuls("x|value")));
  ring->Notify();
  EXPECT_EQ(notified, 1);
  EXPECT_EQ(guest.req_cons().load(), guest.req_prod().load());
  std::string answer = guest.Get();
  ASSERT_EQ(TakeMessages(&answer).size(), 1u);
  EXPECT_EQ(client.Read("/local/domain/1/x"), "value");
}

TEST_F(GuestRing, ANotificationAboutNothingIsNotAnswered) {
  ring->Notify();
  EXPECT_EQ(notified, 0);
}

TEST_F(GuestRing, IndicesRunFreelyAroundTheEnd) {
  for (const std::uint32_t start : {1000u, 0xfffffff0u, 0xffffffffu}) {
    guest.req_cons().store(start);
    guest.req_prod().store(start);
    guest.rsp_cons().store(start - 3);
    guest.rsp_prod().store(start - 3);
    for (int i = 0; i < 100; ++i) {
      const std::string value = std::to_string(i);
      ASSERT_EQ(Ask(XS_WRITE, "x|" + value), "OK|");
      ASSERT_EQ(Ask(XS_READ, "x|"), value);
    }
  }
}

TEST_F(GuestRing, MessagesLargerThanTheRingPassInPieces) {
  const std::string value(2000, 'v');
  const auto messages =
      Exchange(MakeRequest(XS_WRITE, Nuls("x|") + value) + MakeRequest(XS_READ, Nuls("x|")) +
               MakeRequest(XS_READ, Nuls("x|")));
  ASSERT_EQ(messages.size(), 3u);
  EXPECT_EQ(messages[1].payload, value);
  EXPECT_EQ(messages[2].payload, value);
}

TEST_F(GuestRing, ChangesOfOthersReachAWatchingGuestAtOnce) {
  ASSERT_EQ(Exchange(MakeRequest(XS_WATCH, Nuls("control/shutdown|tok|"))).size(), 2u);
  notified = 0;
  Must(client.Write("/local/domain/1/control/shutdown", "poweroff"));
  EXPECT_EQ(notified, 1);
  std::string bytes = guest.Get();
  const auto messages = TakeMessages(&bytes);
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(Bars(messages[0].payload), "control/shutdown|tok|");
}

TEST_F(GuestRing, AGuestThatDoesNotReadIsNotServedFurther) {
  ASSERT_EQ(Ask(XS_WRITE, "x|" + std::string(2000, 'v')), "OK|");
  const std::string request = MakeRequest(XS_READ, Nuls("x|"));
  std::string requests;
  for (int i = 0; i < 200; ++i) {
    requests += request;
  }
  std::string_view rest = requests;
  for (int i = 0; i < 300; ++i) {
    rest.remove_prefix(guest.Put(rest));
    ring->Notify();
  }
  EXPECT_FALSE(rest.empty());
  // Unread are at most the reply quota, one more reply, and what is in the ring.
  EXPECT_LT(metrics.Get("xenstore.requests").value(), 20u);
  // Once it reads it gets every answer.
  EXPECT_EQ(Exchange(rest).size(), 200u);
}

class HostileIndices : public GuestRing,
                       public ::testing::WithParamInterface<std::pair<const char*, std::uint32_t>> {
};

TEST_P(HostileIndices, StopTheRingUntilAReconnect) {
  ASSERT_EQ(Exchange(MakeRequest(XS_WATCH, Nuls("device|t|"))).size(), 2u);
  const auto [name, distance] = GetParam();
  const std::string index = name;
  if (index == "req_prod") {
    guest.req_prod().store(guest.req_cons().load() + distance);
  } else if (index == "req_cons") {
    guest.req_cons().store(guest.req_prod().load() + distance);
  } else if (index == "rsp_cons") {
    guest.rsp_cons().store(guest.rsp_prod().load() + distance);
    guest.Put(MakeRequest(XS_READ, Nuls("x|")));
  } else {
    guest.rsp_prod().store(guest.rsp_cons().load() + distance);
    guest.Put(MakeRequest(XS_READ, Nuls("x|")));
  }
  ring->Notify();
  EXPECT_EQ(guest.error().load(), std::uint32_t{XENSTORE_ERROR_RINGIDX});
  EXPECT_EQ(service.UsageOf(kGuestDomId).watches, 0u);
  EXPECT_TRUE(Dead());

  guest.connection().store(XENSTORE_RECONNECT);
  notified = 0;
  ring->Notify();
  EXPECT_EQ(notified, 1);
  EXPECT_EQ(guest.connection().load(), std::uint32_t{XENSTORE_CONNECTED});
  EXPECT_EQ(guest.error().load(), std::uint32_t{XENSTORE_ERROR_NONE});
  EXPECT_EQ(Ask(XS_WRITE, "x|alive"), "OK|");
}

INSTANTIATE_TEST_SUITE_P(
    All, HostileIndices,
    ::testing::Values(std::pair{"req_prod", 1025u}, std::pair{"req_prod", 0x80000000u},
                      std::pair{"req_prod", 0xffffffffu}, std::pair{"req_cons", 1u},
                      std::pair{"req_cons", 0x7fffffffu}, std::pair{"rsp_cons", 1u},
                      std::pair{"rsp_cons", 0x80000000u}, std::pair{"rsp_prod", 1025u},
                      std::pair{"rsp_prod", 0xffffffffu}));

TEST_F(GuestRing, ATooLongMessageStopsTheRingUntilAReconnect) {
  ASSERT_EQ(Exchange(MakeRequest(XS_WATCH, Nuls("device|t|"))).size(), 2u);
  ASSERT_EQ(Ask(XS_TRANSACTION_START, "|"), "1|");
  xsd_sockmsg header{};
  header.type = XS_WRITE;
  header.len = 0xffffffff;
  std::string bytes(sizeof header, '\0');
  std::memcpy(bytes.data(), &header, sizeof header);
  guest.Put(bytes + std::string(500, 'x'));
  ring->Notify();
  EXPECT_EQ(guest.error().load(), std::uint32_t{XENSTORE_ERROR_PROTO});
  EXPECT_EQ(service.UsageOf(kGuestDomId).watches, 0u);
  EXPECT_EQ(service.UsageOf(kGuestDomId).transactions, 0u);
  EXPECT_TRUE(Dead());
  guest.connection().store(XENSTORE_RECONNECT);
  ring->Notify();
  EXPECT_EQ(Ask(XS_WRITE, "x|alive"), "OK|");
}

TEST_F(GuestRing, AReconnectDropsHalfAMessageWatchesAndTransactions) {
  ASSERT_EQ(Exchange(MakeRequest(XS_WATCH, Nuls("device|t|"))).size(), 2u);
  ASSERT_EQ(Ask(XS_TRANSACTION_START, "|"), "1|");
  guest.Put(MakeRequest(XS_WRITE, Nuls("x|unfinished")).substr(0, 20));
  ring->Notify();
  guest.connection().store(XENSTORE_RECONNECT);
  ring->Notify();
  EXPECT_EQ(guest.req_prod().load() - guest.req_cons().load(), 0u);
  EXPECT_EQ(guest.rsp_prod().load() - guest.rsp_cons().load(), 0u);
  EXPECT_EQ(service.UsageOf(kGuestDomId).watches, 0u);
  EXPECT_EQ(service.UsageOf(kGuestDomId).transactions, 0u);
  EXPECT_EQ(Ask(XS_READ, "x|"), "ENOENT|");
}

TEST_F(GuestRing, ResetStartsOver) {
  ASSERT_EQ(Exchange(MakeRequest(XS_WATCH, Nuls("device|t|"))).size(), 2u);
  ring->Reset();
  EXPECT_EQ(service.UsageOf(kGuestDomId).watches, 0u);
  EXPECT_EQ(Ask(XS_WRITE, "x|v"), "OK|");
}

TEST_F(GuestRing, DestructionTakesTheGuestsStateWithIt) {
  ASSERT_EQ(Exchange(MakeRequest(XS_WATCH, Nuls("device|t|"))).size(), 2u);
  ring.reset();
  EXPECT_EQ(service.UsageOf(kGuestDomId).watches, 0u);
  notified = 0;
  Must(client.Write("/local/domain/1/device", ""));
  EXPECT_EQ(notified, 0);
}

}  // namespace
}  // namespace veneer::test
