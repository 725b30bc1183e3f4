// Everything at once from several threads: for ThreadSanitizer, and for what must hold afterwards.
#include <sys/eventfd.h>

#include <array>
#include <random>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "support/event_guest.h"

namespace veneer {
namespace {

using testing::EventGuest;

constexpr int kSteps = 3000;

// Counts what is open; bound and unbound must alternate for each port.
class CountingObserver : public PortObserver {
 public:
  void OnInterdomainBound(EvtchnPort port, int fd) override {
    EXPECT_EQ(eventfd_write(fd, 1), 0);
    EXPECT_TRUE(open_.insert(port.value).second);
  }
  void OnIpiBound(EvtchnPort port, std::uint32_t) override {
    EXPECT_TRUE(own_.insert(port.value).second);
  }
  void OnTimerBound(EvtchnPort port, std::uint32_t) override {
    EXPECT_TRUE(own_.insert(port.value).second);
  }
  void OnUnbound(EvtchnPort port) override {
    EXPECT_EQ(open_.erase(port.value) + own_.erase(port.value), 1U);
  }
  std::size_t open() const { return open_.size(); }
  std::size_t own() const { return own_.size(); }

 private:
  std::set<std::uint32_t> open_;  // that lead to an eventfd
  std::set<std::uint32_t> own_;   // the guest's, without another end
};

// One thread that does whatever a guest may do.
void GuestThread(EventGuest& guest, std::uint32_t seed, bool reset) {
  EventChannels& channels = *guest.channels;
  std::mt19937 random(seed);
  for (int step = 0; step < kSteps; ++step) {
    const EvtchnPort port{static_cast<std::uint32_t>(random() % 40)};
    const std::uint32_t vcpu = random() % EventGuest::kVcpus;
    switch (random() % 12) {
      case 0:
        static_cast<void>(channels.BindIpi(vcpu));
        break;
      case 1:
        static_cast<void>(channels.BindVirq(VIRQ_TIMER, vcpu));
        break;
      case 2:
        static_cast<void>(channels.AllocUnbound(DOMID_SELF, random() % 2));
        break;
      case 3:
        static_cast<void>(channels.BindInterdomain(random() % 2, port));
        break;
      case 4:
        static_cast<void>(channels.Close(port));
        break;
      case 5:
        static_cast<void>(channels.BindVcpu(port, vcpu));
        break;
      case 6:
        static_cast<void>(channels.Unmask(port));
        break;
      case 7:
        static_cast<void>(channels.InitControl(vcpu, Gfn{EventGuest::kControlFrame + vcpu}, 0));
        static_cast<void>(channels.ExpandArray(Gfn{EventGuest::kArrayFrame}));
        break;
      case 8:
        if (reset && random() % 8 == 0) {
          EXPECT_TRUE(channels.Reset(DOMID_SELF));
        }
        break;
      case 9:
        static_cast<void>(channels.Poll(seed % EventGuest::kVcpus, std::array{port}, 1));
        break;
      default:
        static_cast<void>(channels.Send(port));
    }
    guest.EventWord(port.value).fetch_xor(static_cast<std::uint32_t>(random()));
  }
}

void HostThread(EventGuest& guest, std::uint32_t seed) {
  EventChannels& channels = *guest.channels;
  const UniqueFd event(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  std::mt19937 random(seed);
  std::vector<EvtchnPort> mine;
  const auto keep = [&mine](const XenResult<EvtchnPort>& port) {
    if (port) {
      mine.push_back(*port);
    }
  };
  // Reached by the handler: must be alive whenever it runs.
  const auto reached = std::make_unique<std::atomic<int>>(0);
  for (int step = 0; step < kSteps; ++step) {
    switch (random() % 8) {
      case 0:
        keep(channels.AllocHostUnbound(event.get()));
        break;
      case 1:
        keep(channels.AllocHostUnbound([value = reached.get()] { value->fetch_add(1); }));
        break;
      case 2:
        keep(channels.BindHost(EvtchnPort{static_cast<std::uint32_t>(random() % 40)}, event.get()));
        break;
      case 3:
        if (!mine.empty()) {
          EXPECT_TRUE(channels.CloseHost(mine.back()));
          mine.pop_back();
        }
        break;
      case 4:
        channels.RaiseVirq(random() % EventGuest::kVcpus, VIRQ_TIMER);
        break;
      default:
        if (!mine.empty()) {
          EXPECT_TRUE(channels.Notify(mine[random() % mine.size()]));
        }
    }
  }
  for (const EvtchnPort port : mine) {
    EXPECT_TRUE(channels.CloseHost(port));
  }
}

TEST(EventChannelStress, SendBindCloseAndResetFromAllSides) {
  EventGuest guest(EventChannels::Options{.vcpus = EventGuest::kVcpus, .max_port = 40});
  CountingObserver observer;
  guest.channels->SetObserver(&observer);
  std::thread first([&] { GuestThread(guest, 2, true); });
  std::thread second([&] { GuestThread(guest, 3, false); });
  std::thread host_a([&] { HostThread(guest, 4); });
  std::thread host_b([&] { HostThread(guest, 5); });
  first.join();
  second.join();
  host_a.join();
  host_b.join();
  EXPECT_EQ(observer.open(), 0U);
  // Still in working order.
  ASSERT_TRUE(guest.channels->Reset(DOMID_SELF));
  EXPECT_EQ(observer.own(), 0U);
  for (std::uint32_t port = 1; port <= 40; ++port) {
    EXPECT_EQ(guest.channels->BindIpi(0)->value, port);
  }
}

TEST(EventChannelStress, NoEventIsLostBetweenNotifiersAndAConsumer) {
  EventGuest guest(EventChannels::Options{.vcpus = 1});
  const std::array guest_ports{*guest.channels->AllocGuestUnbound(),
                               *guest.channels->AllocGuestUnbound()};
  std::array<std::atomic<int>, 2> sent{};
  std::array<int, 2> seen{};
  std::atomic<int> running = 2;
  const auto notifier = [&](std::size_t index) {
    const EvtchnPort host = *guest.channels->BindHost(guest_ports[index], [] {});
    for (int i = 0; i < kSteps; ++i) {
      sent[index].fetch_add(1);
      EXPECT_TRUE(guest.channels->Notify(host));
    }
    running.fetch_sub(1);
  };
  std::thread a([&] { notifier(0); });
  std::thread b([&] { notifier(1); });
  bool last_round = false;
  while (!last_round) {
    last_round = running == 0;
    if (!guest.channels->UpcallPending(0)) {
      continue;
    }
    for (const std::uint32_t port : guest.HandleTwoLevel(0)) {
      const std::size_t index = port == guest_ports[0].value ? 0 : 1;
      // All that was sent before the event was taken is covered by it.
      seen[index] = sent[index].load();
    }
  }
  a.join();
  b.join();
  EXPECT_EQ(seen[0], kSteps);
  EXPECT_EQ(seen[1], kSteps);
}

}  // namespace
}  // namespace veneer
