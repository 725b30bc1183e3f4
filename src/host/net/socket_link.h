// NetLink over a UNIX stream socket on which each frame comes after its length, 32 bits big endian:
// what QEMU's "-netdev stream" and passt speak.
#pragma once

#include <memory>

#include "veneer/host/net/net_link.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer {

class SocketLink final : public NetLink {
 public:
  // UsageError if nobody listens there.
  static Result<std::unique_ptr<NetLink>> Open(const SocketNet& net, const NetConfig& config);
  ~SocketLink() override;

  Facts facts() const override { return facts_; }
  Result<void> SetReceiverOffloads(const NetOffloads&) override { return {}; }
  Result<std::unique_ptr<NetChannel>> OpenChannel(unsigned queue) override;

 private:
  class Stream;
  class Channel;
  SocketLink(std::unique_ptr<Stream> stream, Facts facts);

  // The channel's, while there is one. Outlives it: frames may be under way by half.
  const std::unique_ptr<Stream> stream_;
  const Facts facts_;
};

}  // namespace veneer
