// Domain 0's ports: handlers, eventfds, notification, and what the observer hears.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <string>
#include <thread>

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/event_guest.h"
#include "support/eventually.h"

namespace veneer {
namespace {

using ::testing::ElementsAre;
using testing::EventGuest;
using ::testing::IsEmpty;

std::uint64_t Drain(int fd) {
  std::uint64_t count = 0;
  return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

class HostPorts : public ::testing::Test {
 protected:
  EventGuest guest_{EventChannels::Options{.vcpus = 2}};
  EventChannels& channels_ = *guest_.channels;
  UniqueFd event_{eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
};

TEST_F(HostPorts, AHandlerRunsInsideTheSend) {
  int calls = 0;
  const EvtchnPort host = *channels_.AllocHostUnbound([&calls] { ++calls; });
  const EvtchnPort port = *channels_.BindInterdomain(0, host);
  EXPECT_EQ(calls, 0);
  ASSERT_TRUE(channels_.Send(port));
  EXPECT_EQ(calls, 1);
}

TEST_F(HostPorts, AHandlerMayNotifyBackAndCloseItsOwnPort) {
  EvtchnPort host{};
  int calls = 0;
  host = *channels_.AllocHostUnbound([&] {
    ++calls;
    EXPECT_TRUE(channels_.Notify(host));
    EXPECT_TRUE(channels_.CloseHost(host));
  });
  const EvtchnPort port = *channels_.BindInterdomain(0, host);
  guest_.HandleTwoLevel(0);
  ASSERT_TRUE(channels_.Send(port));
  EXPECT_THAT(guest_.HandleTwoLevel(0), ElementsAre(port.value));
  ASSERT_TRUE(channels_.Send(port));  // unbound now
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(channels_.Status(DOMID_SELF, port)->status, std::uint32_t{EVTCHNSTAT_unbound});
}

TEST_F(HostPorts, AnEventfdIsWrittenOncePerSend) {
  const EvtchnPort host = *channels_.AllocHostUnbound(event_.get());
  const EvtchnPort port = *channels_.BindInterdomain(0, host);
  EXPECT_EQ(Drain(event_.get()), 0U);
  ASSERT_TRUE(channels_.Send(port));
  ASSERT_TRUE(channels_.Send(port));
  EXPECT_EQ(Drain(event_.get()), 2U);
  EXPECT_EQ(channels_.AllocHostUnbound(-1).error(), XEN_EMFILE);
}

TEST_F(HostPorts, BindingToAWaitingGuestPortWakesTheEventfdOnce) {
  const EvtchnPort port = *channels_.AllocGuestUnbound();
  ASSERT_TRUE(channels_.Send(port));  // dropped, but not forgotten:
  const EvtchnPort host = *channels_.BindHost(port, event_.get());
  EXPECT_EQ(Drain(event_.get()), 1U);
  ASSERT_TRUE(channels_.Notify(host));
  EXPECT_THAT(guest_.sink.Take(), ElementsAre(0));
  EXPECT_THAT(guest_.HandleTwoLevel(0), ElementsAre(port.value));
  EXPECT_EQ(channels_.BindHost(port, event_.get()).error(), XEN_EINVAL);
  EXPECT_EQ(channels_.BindHost(EvtchnPort{0}, [] {}).error(), XEN_EINVAL);
  EXPECT_EQ(channels_.BindHost(EvtchnPort{0xffffffff}, [] {}).error(), XEN_EINVAL);
}

TEST_F(HostPorts, NotifyGoesToTheVcpuTheGuestHasChosen) {
  const EvtchnPort port = *channels_.AllocGuestUnbound();
  const EvtchnPort host = *channels_.BindHost(port, [] {});
  ASSERT_TRUE(channels_.BindVcpu(port, 1));
  ASSERT_TRUE(channels_.Notify(host));
  EXPECT_THAT(guest_.sink.Take(), ElementsAre(1));
  EXPECT_EQ(channels_.Notify(EvtchnPort{0}).error(), XEN_EINVAL);
  EXPECT_EQ(channels_.Notify(EvtchnPort{999}).error(), XEN_EINVAL);
}

TEST_F(HostPorts, AHostPortOutlivesTheGuestsEndAndCanBeBoundAgain) {
  int calls = 0;
  const EvtchnPort host = *channels_.AllocHostUnbound([&calls] { ++calls; });
  const EvtchnPort first = *channels_.BindInterdomain(0, host);
  ASSERT_TRUE(channels_.Close(first));
  ASSERT_TRUE(channels_.Notify(host));  // quietly nothing
  EXPECT_FALSE(guest_.Pending(first));
  const EvtchnPort second = *channels_.BindInterdomain(0, host);
  ASSERT_TRUE(channels_.Send(second));
  EXPECT_EQ(calls, 1);
}

TEST_F(HostPorts, ClosingTheHostsEndLeavesTheGuestsWaiting) {
  const EvtchnPort port = *channels_.AllocGuestUnbound();
  const EvtchnPort host = *channels_.BindHost(port, [] {});
  ASSERT_TRUE(channels_.CloseHost(host));
  EXPECT_EQ(channels_.CloseHost(host).error(), XEN_EINVAL);
  EXPECT_EQ(channels_.CloseHost(EvtchnPort{0}).error(), XEN_EINVAL);
  EXPECT_EQ(channels_.Notify(host).error(), XEN_EINVAL);
  EXPECT_TRUE(channels_.BindHost(port, [] {}));
}

TEST_F(HostPorts, CloseWaitsForAHandlerThatIsRunning) {
  std::atomic<bool> inside = false;
  std::atomic<bool> let_go = false;
  std::atomic<bool> left = false;
  const EvtchnPort host = *channels_.AllocHostUnbound([&] {
    inside = true;
    EXPECT_TRUE(testing::Eventually([&] { return let_go.load(); }));
    left = true;
  });
  const EvtchnPort port = *channels_.BindInterdomain(0, host);
  std::thread sender([&] { EXPECT_TRUE(channels_.Send(port)); });
  EXPECT_TRUE(testing::Eventually([&] { return inside.load(); }));
  std::thread closer([&] {
    EXPECT_TRUE(channels_.CloseHost(host));
    EXPECT_TRUE(left);
  });
  let_go = true;
  sender.join();
  closer.join();
}

class RecordingObserver : public PortObserver {
 public:
  void OnInterdomainBound(EvtchnPort port, int fd) override {
    EXPECT_GE(fd, 0);
    EXPECT_EQ(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    log_.push_back(fmt::format("bound {}", port.value));
  }
  void OnIpiBound(EvtchnPort port, std::uint32_t vcpu) override {
    log_.push_back(fmt::format("ipi {} of {}", port.value, vcpu));
  }
  void OnTimerBound(EvtchnPort port, std::uint32_t vcpu) override {
    log_.push_back(fmt::format("timer {} of {}", port.value, vcpu));
  }
  void OnUnbound(EvtchnPort port) override {
    log_.push_back(fmt::format("unbound {}", port.value));
  }
  std::vector<std::string> Take() { return std::exchange(log_, {}); }

 private:
  std::vector<std::string> log_;
};

TEST_F(HostPorts, TheObserverHearsOfIpisAndTimers) {
  RecordingObserver observer;
  channels_.SetObserver(&observer);
  const EvtchnPort ipi = *channels_.BindIpi(0);
  EXPECT_THAT(observer.Take(), ElementsAre("ipi 1 of 0"));
  const EvtchnPort timer = *channels_.BindVirq(VIRQ_TIMER, 0);
  EXPECT_THAT(observer.Take(), ElementsAre("timer 2 of 0"));
  const EvtchnPort debug = *channels_.BindVirq(VIRQ_DEBUG, 0);
  EXPECT_THAT(observer.Take(), IsEmpty());
  ASSERT_TRUE(channels_.Close(timer));
  ASSERT_TRUE(channels_.Close(debug));
  EXPECT_THAT(observer.Take(), ElementsAre("unbound 2"));
  channels_.SetObserver(nullptr);
  EXPECT_THAT(observer.Take(), ElementsAre("unbound 1"));
  ASSERT_TRUE(channels_.Close(ipi));
}

TEST_F(HostPorts, OfHostPortsTheObserverHearsOfEventfdsOnly) {
  RecordingObserver observer;
  channels_.SetObserver(&observer);
  const EvtchnPort quiet = *channels_.AllocHostUnbound([] {});
  const EvtchnPort quiet_guest = *channels_.BindInterdomain(0, quiet);
  ASSERT_TRUE(channels_.Close(quiet_guest));
  EXPECT_THAT(observer.Take(), IsEmpty());

  const EvtchnPort host = *channels_.AllocHostUnbound(event_.get());
  EXPECT_THAT(observer.Take(), IsEmpty());
  ASSERT_EQ(channels_.BindInterdomain(0, host)->value, 1U);
  EXPECT_THAT(observer.Take(), ElementsAre("bound 1"));
  ASSERT_TRUE(channels_.Close(EvtchnPort{1}));
  EXPECT_THAT(observer.Take(), ElementsAre("unbound 1"));
  ASSERT_TRUE(channels_.BindInterdomain(0, host));
  ASSERT_TRUE(channels_.CloseHost(host));
  EXPECT_THAT(observer.Take(), ElementsAre("bound 1", "unbound 1"));
  ASSERT_TRUE(channels_.BindHost(EvtchnPort{1}, event_.get()));
  ASSERT_TRUE(channels_.Reset(DOMID_SELF));
  EXPECT_THAT(observer.Take(), ElementsAre("bound 1", "unbound 1"));
  channels_.SetObserver(nullptr);
}

TEST_F(HostPorts, AnObserverThatComesLateHearsWhatIsBound) {
  const EvtchnPort port = *channels_.AllocGuestUnbound();
  ASSERT_TRUE(channels_.BindHost(port, event_.get()));
  RecordingObserver observer;
  channels_.SetObserver(&observer);
  EXPECT_THAT(observer.Take(), ElementsAre("bound 1"));
  channels_.SetObserver(nullptr);
  EXPECT_THAT(observer.Take(), ElementsAre("unbound 1"));
  ASSERT_TRUE(channels_.Close(port));
  EXPECT_THAT(observer.Take(), IsEmpty());
}

}  // namespace
}  // namespace veneer
