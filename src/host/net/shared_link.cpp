// One link for two NICs, of which the guest may use one at a time: what it does with the other is
// an error of its own.
#include <utility>

#include "veneer/host/net/net_link.h"
#include "veneer/vmm/base/mutex.h"

namespace veneer {
namespace {

// What both owners hold.
struct Shared {
  explicit Shared(std::unique_ptr<NetLink> whole) : link(std::move(whole)) {}
  const std::unique_ptr<NetLink> link;
  Mutex mutex;  // guards what follows, and is held while channels come and go
  const NetLink* user GUARDED_BY(mutex) = nullptr;  // who has channels open
  unsigned channels GUARDED_BY(mutex) = 0;
};

class CountedChannel final : public NetChannel {
 public:
  CountedChannel(std::shared_ptr<Shared> shared, std::unique_ptr<NetChannel> channel)
      : shared_(std::move(shared)), channel_(std::move(channel)) {}
  ~CountedChannel() override {
    const MutexLock lock(shared_->mutex);
    channel_.reset();
    if (--shared_->channels == 0) {
      shared_->user = nullptr;
    }
  }
  NetSent Send(const virtio_net_hdr& header, std::span<const iovec> frame) override {
    return channel_->Send(header, frame);
  }
  void SendMany(std::span<OutgoingFrame> frames) override { channel_->SendMany(frames); }
  std::optional<std::size_t> Receive(virtio_net_hdr& header, std::span<const iovec> room) override {
    return channel_->Receive(header, room);
  }
  bool Arm() override { return channel_->Arm(); }
  void OnReady() override { channel_->OnReady(); }
  int ready_fd() const override { return channel_->ready_fd(); }

 private:
  const std::shared_ptr<Shared> shared_;
  std::unique_ptr<NetChannel> channel_;
};

class Owner final : public NetLink {
 public:
  explicit Owner(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  Facts facts() const override { return shared_->link->facts(); }
  Result<void> SetReceiverOffloads(const NetOffloads& offloads) override {
    const MutexLock lock(shared_->mutex);
    VENEER_TRY(CheckFree());
    return shared_->link->SetReceiverOffloads(offloads);
  }
  Result<std::unique_ptr<NetChannel>> OpenChannel(unsigned queue) override {
    const MutexLock lock(shared_->mutex);
    VENEER_TRY(CheckFree());
    VENEER_TRY_ASSIGN(std::unique_ptr<NetChannel> channel, shared_->link->OpenChannel(queue));
    shared_->user = this;
    ++shared_->channels;
    return std::make_unique<CountedChannel>(shared_, std::move(channel));
  }

 private:
  Result<void> CheckFree() const REQUIRES(shared_->mutex) {
    if (shared_->user != nullptr && shared_->user != this) {
      return HostError("the guest uses the NIC's other device");
    }
    return {};
  }

  const std::shared_ptr<Shared> shared_;
};

}  // namespace

SharedNetLink ShareNetLink(std::unique_ptr<NetLink> link) {
  const auto shared = std::make_shared<Shared>(std::move(link));
  return {std::make_unique<Owner>(shared), std::make_unique<Owner>(shared)};
}

}  // namespace veneer
