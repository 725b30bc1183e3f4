// Which kind of link a NIC has, and what all kinds do alike.
#include "veneer/host/net/net_link.h"

#include "capture_link.h"
#include "socket_link.h"
#include "tap_link.h"
#include "user_link.h"

namespace veneer {
namespace {

Result<std::unique_ptr<NetLink>> OpenBareLink(const NetConfig& config) {
  if (const auto* tap = std::get_if<TapNet>(&config.link)) {
    return OpenTapLink(*tap, config);
  }
  if (const auto* socket = std::get_if<SocketNet>(&config.link)) {
    return SocketLink::Open(*socket, config);
  }
  return UserLink::Open(std::get<UserNet>(config.link), config);
}

}  // namespace

void NetChannel::SendMany(std::span<OutgoingFrame> frames) {
  bool full = false;
  for (OutgoingFrame& frame : frames) {
    frame.sent = full ? NetSent::kFull : Send(frame.header, frame.pieces);
    full = frame.sent == NetSent::kFull;
  }
}

Result<std::unique_ptr<NetLink>> OpenNetLink(const NetConfig& config) {
  VENEER_TRY_ASSIGN(std::unique_ptr<NetLink> link, OpenBareLink(config));
  if (config.pcap.empty()) {
    return link;
  }
  return CaptureLink::Open(config.pcap, config.pcap_max_bytes, std::move(link));
}

}  // namespace veneer
