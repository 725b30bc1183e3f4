// The service from several threads at once; meant for the thread sanitizer.
#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "must.h"
#include "ring_guest.h"
#include "veneer/xencompat/xenstore/client.h"
#include "veneer/xencompat/xenstore/guest_ring.h"

namespace veneer::test {
namespace {

TEST(Threads, CountersInTransactionsLoseNothing) {
  XenstoreService service;
  Must(XenstoreClient(service).Write("/n", "0"));
  constexpr int kRounds = 300;
  const auto count = [&service] {
    XenstoreClient client(service);
    for (int i = 0; i < kRounds;) {
      const auto result = client.Transact([](XenstoreTransaction& t) -> XsResult<void> {
        return t.WriteNumber("/n", t.ReadNumber("/n").value() + 1);
      });
      i += result ? 1 : 0;
    }
  };
  std::thread one(count);
  std::thread two(count);
  one.join();
  two.join();
  EXPECT_EQ(XenstoreClient(service).ReadNumber("/n"), 2u * kRounds);
}

TEST(Threads, TheRingTheToolstackAndAWatchTogether) {
  XenstoreService service;
  XenstoreClient client(service);
  Must(client.Mkdir("/local/domain/1"));
  Must(client.SetPermissions("/local/domain/1", XsPrivate(kGuestDomId)));
  RingGuest guest;
  XenstoreGuestRing ring(service, kGuestDomId, guest.page(), [] {});
  const auto loop = EventLoop::Create().value();
  std::atomic<int> calls{0};
  constexpr int kRounds = 1000;
  auto watch = client
                   .Watch("/local/domain/1/x", *loop,
                          [&](const std::string&) {
                            ++calls;
                            // As a back-end that acknowledges.
                            if (client.Read("/local/domain/1/x") == std::to_string(kRounds - 1)) {
                              loop->Stop();
                            }
                          })
                   .value();

  std::thread vcpu([&] {
    guest.Put(MakeRequest(XS_WATCH, Nuls("y|t|")));
    ring.Notify();
    for (int i = 0; i < kRounds; ++i) {
      const std::string request = MakeRequest(XS_WRITE, Nuls("x|" + std::to_string(i)));
      std::string_view rest = request;
      while (!rest.empty()) {
        rest.remove_prefix(guest.Put(rest));
        ring.Notify();
        guest.Get();
      }
    }
    while (!guest.Get().empty()) {
      ring.Notify();
    }
  });
  std::thread toolstack([&] {
    XenstoreClient own(service);
    for (int i = 0; i < kRounds; ++i) {
      Must(own.WriteNumber("/local/domain/1/y", static_cast<std::uint64_t>(i)));
    }
  });
  loop->Run();
  vcpu.join();
  toolstack.join();
  watch.reset();
  EXPECT_GT(calls.load(), 0);
  EXPECT_EQ(client.ReadNumber("/local/domain/1/x"), std::uint64_t{kRounds - 1});
  EXPECT_EQ(client.ReadNumber("/local/domain/1/y"), std::uint64_t{kRounds - 1});
}

TEST(Threads, ClientsAndWatchesComeAndGo) {
  XenstoreService service;
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    XenstoreClient client(service);
    while (!stop.load()) {
      Must(client.Write("/a/b", "v"));
    }
  });
  const auto loop = EventLoop::Create().value();
  for (int i = 0; i < 300; ++i) {
    XenstoreClient client(service);
    const auto watch = client.Watch("/a", *loop, [&](const std::string&) { loop->Stop(); });
    ASSERT_TRUE(watch);
  }
  stop.store(true);
  writer.join();
  EXPECT_EQ(service.UsageOf(kHostDomId).watches, 0u);
}

}  // namespace
}  // namespace veneer::test
