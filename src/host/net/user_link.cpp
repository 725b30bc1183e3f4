#include "user_link.h"

#include <algorithm>
#include <fstream>
#include <utility>
#include <vector>

#include "plain_frame.h"
#include "resolvers.h"
#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/log.h"

namespace veneer {
namespace {

// libslirp tells a sender that it has room again once that is two segments, and its windows end at
// 65535 bytes: with larger segments it says nothing, and each full socket buffer costs a
// retransmission timeout.
constexpr std::uint32_t kLargestMtu = 32768;
// What an e1000's driver takes until it is told otherwise.
constexpr std::uint32_t kE1000Mtu = 1500;

std::uint32_t MtuFor(const NetConfig& config) {
  if (config.mtu != 0) {
    return std::min(config.mtu, kLargestMtu);
  }
  return IsE1000Nic(config) ? kE1000Mtu : kLargestMtu;
}

// The name server of the user-mode network hands on to the host's, if that has an IPv4 address.
void CheckResolver(const UserNet& net) {
  if (net.name_server || net.restricted) {
    return;
  }
  std::ifstream file("/etc/resolv.conf");
  const Resolvers resolvers = FindResolvers(file);
  if (!resolvers.ipv4) {
    LogWarning(
        "--net user: the guest's DNS will not answer: this host's /etc/resolv.conf names {}; name "
        "another server with dns=ADDRESS",
        resolvers.any ? "no name server with an IPv4 address" : "no name server");
  }
}

class UserChannel final : public NetChannel {
 public:
  explicit UserChannel(SlirpStack& stack) : stack_(stack), frame_(kMaxFrame) {}

  NetSent Send(const virtio_net_hdr& header, std::span<const iovec> frame) override {
    const auto plain = TakePlainFrame(header, frame, frame_);
    if (!plain) {
      return NetSent::kRefused;
    }
    return stack_.Input(*plain) ? NetSent::kSent : NetSent::kRefused;
  }
  std::optional<std::size_t> Receive(virtio_net_hdr& header, std::span<const iovec> room) override {
    header = {};
    header.flags = VIRTIO_NET_HDR_F_DATA_VALID;  // it has been nowhere since it was made
    return stack_.Output(room);
  }
  bool Arm() override { return stack_.Arm(); }
  void OnReady() override { static_cast<void>(stack_.Advance()); }
  int ready_fd() const override { return stack_.ready_fd(); }

 private:
  SlirpStack& stack_;
  std::vector<std::byte> frame_;
};

}  // namespace

Result<std::unique_ptr<NetLink>> UserLink::Open(const UserNet& net, const NetConfig& config) {
  const std::uint32_t mtu = MtuFor(config);
  CheckResolver(net);
  VENEER_TRY_ASSIGN(std::unique_ptr<SlirpStack> stack, SlirpStack::Create(net, mtu));
  return std::unique_ptr<NetLink>(new UserLink(std::move(stack), {.name = "user",
                                                                  .offloads = false,
                                                                  .queues = 1,
                                                                  .mtu = mtu,
                                                                  .thread = ThreadKind::kUserNet}));
}

Result<std::unique_ptr<NetChannel>> UserLink::OpenChannel(unsigned queue) {
  VENEER_CHECK(queue == 0);
  return std::make_unique<UserChannel>(*stack_);
}

}  // namespace veneer
