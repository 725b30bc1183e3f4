// NetLink over a network of its own inside Veneer (libslirp), with the host's sockets as the way
// out.
#pragma once

#include <memory>

#include "slirp_stack.h"
#include "veneer/host/net/net_link.h"

namespace veneer {

class UserLink final : public NetLink {
 public:
  // Opens the forwarded ports. UsageError for one that is in use.
  static Result<std::unique_ptr<NetLink>> Open(const UserNet& net, const NetConfig& config);

  Facts facts() const override { return facts_; }
  Result<void> SetReceiverOffloads(const NetOffloads&) override { return {}; }
  Result<std::unique_ptr<NetChannel>> OpenChannel(unsigned queue) override;

 private:
  UserLink(std::unique_ptr<SlirpStack> stack, Facts facts)
      : stack_(std::move(stack)), facts_(std::move(facts)) {}

  const std::unique_ptr<SlirpStack> stack_;  // the channel's, while there is one
  const Facts facts_;
};

}  // namespace veneer
