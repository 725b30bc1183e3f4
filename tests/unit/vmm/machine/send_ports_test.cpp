#include "src/vmm/machine/send_ports.h"

#include <memory>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/vmm/machine/xen_layout.h"
#include "support/event_guest.h"
#include "support/fake_vm.h"
#include "veneer/vmm/base/event_fd.h"

namespace veneer {
namespace {

using ::testing::ElementsAre;
using testing::FakeIoEvents;
using ::testing::IsEmpty;

class SendPortsTest : public ::testing::Test {
 protected:
  // A 32-bit write of exactly this channel's number to the port that guests' stubs use.
  static FakeIoEvents::Attached On(std::uint32_t channel, int event_fd) {
    return {{.port_io = true, .address = kHypercallPorts.send, .size = 4, .match = channel},
            event_fd};
  }

  FakeIoEvents io_events_;
  Metrics metrics_;
  SendPorts ports_{io_events_, metrics_};
};

TEST_F(SendPortsTest, EachBoundChannelHasItsOwnEventfdAtTheSendPort) {
  ports_.OnInterdomainBound(EvtchnPort{7}, 40);
  ports_.OnInterdomainBound(EvtchnPort{8}, 41);
  EXPECT_THAT(io_events_.attached, ElementsAre(On(7, 40), On(8, 41)));
}

TEST_F(SendPortsTest, AnUnboundChannelTakesItsEventfdAway) {
  ports_.OnInterdomainBound(EvtchnPort{7}, 40);
  ports_.OnInterdomainBound(EvtchnPort{8}, 41);
  ports_.OnUnbound(EvtchnPort{7});
  EXPECT_THAT(io_events_.attached, ElementsAre(On(8, 41)));
  ports_.OnUnbound(EvtchnPort{7});
  EXPECT_EQ(io_events_.detaches, 1);
}

TEST_F(SendPortsTest, AChannelThatKvmHasNoRoomForIsCountedAndLeftToUserspace) {
  io_events_.refuses = true;
  ports_.OnInterdomainBound(EvtchnPort{7}, 40);
  EXPECT_EQ(metrics_.Get("xen.send.no_ioeventfd").value(), 1U);
  ports_.OnUnbound(EvtchnPort{7});
  EXPECT_EQ(io_events_.detaches, 0);
}

TEST_F(SendPortsTest, FollowTheEventChannelsOfAGuest) {
  testing::EventGuest guest({});
  guest.channels->SetObserver(&ports_);
  const EventFd event = std::move(*EventFd::Create());
  const EvtchnPort port = guest.channels->AllocGuestUnbound().value();
  const EvtchnPort host_port = guest.channels->BindHost(port, event.get()).value();
  ASSERT_EQ(io_events_.attached.size(), 1U);
  EXPECT_EQ(io_events_.attached[0].address, On(port.value, 0).address);
  ASSERT_TRUE(guest.channels->CloseHost(host_port));
  EXPECT_THAT(io_events_.attached, IsEmpty());
  guest.channels->SetObserver(nullptr);
}

}  // namespace
}  // namespace veneer
