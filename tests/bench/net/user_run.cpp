#include "user_run.h"

#include "support/channel_pump.h"
#include "user_server.h"
#include "veneer/host/net/net_link.h"

namespace veneer::bench {

Result<UserOutcome> RunUserLink(const UserBenchOptions& options, Direction direction) {
  const LoopbackServer server(direction);  // ends when the link has closed its connection
  VENEER_TRY_ASSIGN(const NetConfig config, ParseNet(fmt::format("user,mtu={}", options.mtu)));
  VENEER_TRY_ASSIGN(const std::unique_ptr<NetLink> link, OpenNetLink(config));
  VENEER_TRY_ASSIGN(const std::unique_ptr<NetChannel> channel, link->OpenChannel(0));
  testing::ChannelPump pump(*channel);
  testing::TinyTcp guest(5000, server.port(), options.mtu);
  guest.Check(false);
  if (direction == Direction::kToHost) {
    guest.Send(~std::uint64_t{0} >> 1U);
  }
  pump.Serve(guest);
  Stopwatch watch(guest, options.seconds);
  if (!pump.Until([&] { return guest.reset() || !watch.GoesOn(); }) || guest.reset()) {
    return HostError("the connection through the user-mode network has ended early");
  }
  return watch.Outcome();
}

}  // namespace veneer::bench
