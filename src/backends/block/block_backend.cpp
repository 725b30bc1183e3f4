#include "veneer/block/block_backend.h"

#include <utility>
#include <vector>

#include "block_queue.h"
#include "block_worker.h"
#include "disk_state.h"
#include "front_keys.h"
#include "veneer/base/check.h"
#include "veneer/base/log.h"
#include "veneer/xenbus/xenbus_backend.h"

namespace veneer {
namespace {

std::string Number(std::uint64_t value) { return fmt::format("{}", value); }

}  // namespace

class BlockBackend::Impl final : private XenbusDriver {
 public:
  Impl(const Parts& parts, const DiskConfig& config, std::unique_ptr<DiskImage> image)
      : parts_(parts), image_(std::move(image)), disk_(config, *image_, parts.metrics) {}

  Result<void> Start();
  const DiskConfig& config() const { return disk_.config; }
  XenbusState state() const { return xenbus_->state(); }
  Result<void> Resize();
  void Remove(std::function<void()> removed) { xenbus_->Remove(std::move(removed)); }

 private:
  // XenbusDriver
  XsResult<void> Offer(XenstoreView& store, const std::string& path) override;
  Outcome Connect(XenstoreClient& store, const std::string& front,
                  const std::string& back) override;
  void Disconnect(std::function<void()> done) override;

  XenbusKeys Features() const;
  XenbusKeys Properties() const;
  Outcome MakeWorkers(std::size_t count);
  tl::expected<QueueConnection, std::string> Take(const FrontKeys& keys, std::size_t index);
  void OnBroken(std::uint64_t connection);

  const Parts parts_;
  const std::unique_ptr<DiskImage> image_;
  DiskState disk_;
  std::vector<std::unique_ptr<BlockWorker>> workers_;
  std::size_t attached_ = 0;      // the first so many of them
  std::uint64_t connection_ = 0;  // counts them, so that news of an old one is known as such
  // Tasks of the workers' for the control thread find out by this that we are gone.
  std::shared_ptr<Impl*> self_ = std::make_shared<Impl*>(this);
  std::unique_ptr<XenbusBackend> xenbus_;
};

Result<void> BlockBackend::Impl::Start() {
  const std::optional<std::uint32_t> number = VirtualDeviceNumber(disk_.config.vdev);
  VENEER_CHECK(number.has_value());
  XenbusBackend::Device device{
      .type = "vbd",
      .id = *number,
      .guest = kGuestDomId,
      .front = {{"virtual-device", Number(*number)}, {"device-type", "disk"}},
      .back = {{"mode", disk_.readonly ? "r" : "w"},
               {"type", "file"},
               {"dev", disk_.config.vdev},
               {"removable", "0"},
               {"bootable", "1"},
               {"discard-enable", disk_.discard ? "1" : "0"}}};
  if (!disk_.config.serial.empty()) {
    device.front.emplace_back("serial", disk_.config.serial);
    device.back.emplace_back("serial", disk_.config.serial);
  }
  VENEER_TRY_ASSIGN(xenbus_,
                    XenbusBackend::Create(parts_.store, parts_.post, *this, std::move(device)));
  return {};
}

XenbusKeys BlockBackend::Impl::Features() const {
  XenbusKeys keys{{"feature-flush-cache", "1"},
                  {"feature-barrier", "1"},
                  {"feature-max-indirect-segments", Number(kMaxIndirectSegments)},
                  {"max-ring-page-order", Number(kMaxRingPageOrder)},
                  {"max-ring-pages", Number(1U << kMaxRingPageOrder)},
                  {"multi-queue-max-queues", Number(disk_.config.queues)}};
  if (disk_.discard) {
    keys.emplace_back("feature-discard", "1");
    keys.emplace_back("discard-granularity", Number(image_->facts().discard_granularity));
    keys.emplace_back("discard-alignment", "0");
    keys.emplace_back("discard-secure", "0");
  }
  return keys;
}

XenbusKeys BlockBackend::Impl::Properties() const {
  constexpr unsigned kReadonly = VDISK_READONLY;
  return {{"sectors", Number(disk_.sectors)},
          {"sector-size", "512"},
          {"physical-sector-size", Number(image_->facts().physical_sector)},
          {"info", Number(disk_.readonly ? kReadonly : 0)}};
}

XsResult<void> BlockBackend::Impl::Offer(XenstoreView& store, const std::string& path) {
  return WriteXenbusKeys(store, path, Features());
}

XenbusDriver::Outcome BlockBackend::Impl::MakeWorkers(std::size_t count) {
  while (workers_.size() < count) {
    auto worker = BlockWorker::Create(disk_, parts_.grants, static_cast<unsigned>(workers_.size()));
    if (!worker) {
      return tl::unexpected(worker.error().message);
    }
    workers_.push_back(std::move(*worker));
  }
  return {};
}

tl::expected<QueueConnection, std::string> BlockBackend::Impl::Take(const FrontKeys& keys,
                                                                    std::size_t index) {
  const FrontKeys::Queue& queue = keys.queues[index];
  std::vector<PinnedGrant> ring;
  const GrantStatus status = parts_.grants.MapMany(queue.ring, GrantAccess::kReadWrite, ring);
  if (status != GrantStatus::kOkay) {
    return tl::unexpected(
        fmt::format("queue {}: the ring cannot be mapped: {}", index, GrantStatusText(status)));
  }
  const XenResult<EvtchnPort> port = parts_.events.BindHost(queue.port, workers_[index]->kick_fd());
  if (!port) {
    return tl::unexpected(fmt::format("queue {}: event channel {} cannot be bound: {}", index,
                                      queue.port.value, XenErrnoName(port.error())));
  }
  return QueueConnection{
      .protocol = keys.protocol,
      .ring = std::move(ring),
      .port = BoundPort(parts_.events, *port),
      .on_broken = [post = parts_.post, weak = std::weak_ptr(self_), connection = connection_] {
        post([weak, connection] {
          if (const auto self = weak.lock()) {
            (*self)->OnBroken(connection);
          }
        });
      }};
}

XenbusDriver::Outcome BlockBackend::Impl::Connect(XenstoreClient& store, const std::string& front,
                                                  const std::string& back) {
  const auto keys = ReadFrontKeys(store, front, disk_.config.queues);
  if (!keys) {
    return tl::unexpected(keys.error());
  }
  if (const Outcome made = MakeWorkers(keys->queues.size()); !made) {
    return made;
  }
  ++connection_;
  std::vector<QueueConnection> connections;
  for (std::size_t i = 0; i < keys->queues.size(); ++i) {
    auto connection = Take(*keys, i);
    if (!connection) {
      return tl::unexpected(connection.error());
    }
    connections.push_back(std::move(*connection));
  }
  if (const auto written = WriteXenbusKeys(store, back, Properties()); !written) {
    return tl::unexpected(
        fmt::format("xenstore does not take its size: {}", XsErrorName(written.error())));
  }
  for (std::size_t i = 0; i < connections.size(); ++i) {
    workers_[i]->Attach(std::move(connections[i]));
  }
  attached_ = connections.size();
  LogDebug("disk {}: connected, {} queues of {} pages", disk_.config.vdev, connections.size(),
           keys->queues.front().ring.size());
  return {};
}

void BlockBackend::Impl::Disconnect(std::function<void()> done) {
  if (attached_ == 0) {
    done();
    return;
  }
  // Counted on the control thread.
  auto remaining = std::make_shared<std::size_t>(std::exchange(attached_, 0));
  const std::size_t count = *remaining;
  for (std::size_t i = 0; i < count; ++i) {
    workers_[i]->Detach([post = parts_.post, remaining, done] {
      post([remaining, done] {
        if (--*remaining == 0) {
          done();
        }
      });
    });
  }
}

void BlockBackend::Impl::OnBroken(std::uint64_t connection) {
  if (connection == connection_ && attached_ > 0) {
    xenbus_->Fail("a ring whose indices make no sense");
  }
}

Result<void> BlockBackend::Impl::Resize() {
  VENEER_TRY(image_->Refresh());
  disk_.sectors = image_->facts().bytes / 512;
  if (const auto announced = xenbus_->Announce(Properties()); !announced) {
    return HostError("disk {}: xenstore does not take its new size: {}", disk_.config.vdev,
                     XsErrorName(announced.error()));
  }
  return {};
}

Result<std::unique_ptr<BlockBackend>> BlockBackend::Create(const Parts& parts,
                                                           const DiskConfig& config,
                                                           std::unique_ptr<DiskImage> image) {
  auto impl = std::make_unique<Impl>(parts, config, std::move(image));
  VENEER_TRY(impl->Start());
  return std::unique_ptr<BlockBackend>(new BlockBackend(std::move(impl)));
}

BlockBackend::BlockBackend(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
BlockBackend::~BlockBackend() = default;

const DiskConfig& BlockBackend::config() const { return impl_->config(); }
XenbusState BlockBackend::state() const { return impl_->state(); }
Result<void> BlockBackend::Resize() { return impl_->Resize(); }
void BlockBackend::Remove(std::function<void()> removed) { impl_->Remove(std::move(removed)); }

}  // namespace veneer
