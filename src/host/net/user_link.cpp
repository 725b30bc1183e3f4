#include "user_link.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "plain_frame.h"
#include "veneer/vmm/base/check.h"

namespace veneer {
namespace {

// libslirp tells a sender that it has room again once that is two segments, and its windows end at
// 65535 bytes: with larger segments it says nothing, and each full socket buffer costs a
// retransmission timeout.
constexpr std::uint32_t kLargestMtu = 32768;

class UserChannel final : public NetChannel {
 public:
  explicit UserChannel(SlirpStack& stack) : stack_(stack), frame_(kMaxFrame) {}

  NetSent Send(const virtio_net_hdr& header, std::span<const iovec> frame) override {
    const auto plain = TakePlainFrame(header, frame, frame_);
    if (!plain) {
      return NetSent::kRefused;
    }
    stack_.Input(*plain);
    return NetSent::kSent;
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
  const std::uint32_t mtu = config.mtu != 0 ? std::min(config.mtu, kLargestMtu) : kLargestMtu;
  VENEER_TRY_ASSIGN(std::unique_ptr<SlirpStack> stack, SlirpStack::Create(net, mtu));
  return std::unique_ptr<NetLink>(
      new UserLink(std::move(stack), {.name = "user", .offloads = false, .queues = 1, .mtu = mtu}));
}

Result<std::unique_ptr<NetChannel>> UserLink::OpenChannel(unsigned queue) {
  VENEER_CHECK(queue == 0);
  return std::make_unique<UserChannel>(*stack_);
}

}  // namespace veneer
