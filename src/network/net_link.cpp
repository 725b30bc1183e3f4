// Which kind of link a NIC has.
#include "veneer/network/net_link.h"

#include <utility>

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

class SharedNetLink final : public NetLink {
 public:
  explicit SharedNetLink(std::shared_ptr<NetLink> link) : link_(std::move(link)) {}
  Facts facts() const override { return link_->facts(); }
  Result<void> SetReceiverOffloads(const NetOffloads& offloads) override {
    return link_->SetReceiverOffloads(offloads);
  }
  Result<std::unique_ptr<NetChannel>> OpenChannel(unsigned queue) override {
    return link_->OpenChannel(queue);
  }

 private:
  const std::shared_ptr<NetLink> link_;
};

}  // namespace

std::unique_ptr<NetLink> ShareNetLink(std::shared_ptr<NetLink> link) {
  return std::make_unique<SharedNetLink>(std::move(link));
}

Result<std::unique_ptr<NetLink>> OpenNetLink(const NetConfig& config) {
  VENEER_TRY_ASSIGN(std::unique_ptr<NetLink> link, OpenBareLink(config));
  if (config.pcap.empty()) {
    return link;
  }
  return CaptureLink::Open(config.pcap, std::move(link));
}

}  // namespace veneer
