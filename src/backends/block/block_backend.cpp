#include "veneer/backends/block/block_backend.h"

#include <sys/epoll.h>

#include <array>
#include <chrono>
#include <future>
#include <utility>
#include <vector>

#include "block_front_keys.h"
#include "block_queue.h"
#include "disk_state.h"
#include "veneer/backends/bus/queue_workers.h"
#include "veneer/backends/bus/xenbus_backend.h"
#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/log.h"

namespace veneer {
namespace {

std::string Number(std::uint64_t value) { return fmt::format("{}", value); }

}  // namespace

class BlockBackend::Impl final : private XenbusDriver {
 public:
  Impl(const Parts& parts, const DiskConfig& config, std::unique_ptr<DiskImage> image)
      : parts_(parts),
        image_(std::move(image)),
        disk_(config, *image_, parts.metrics, parts.on_failure),
        workers_(ThreadKind::kDisk, config.vdev, parts.post,
                 [this](std::size_t index) { return Host(index); }) {}

  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() override;
  void BeginEnd();
  void Retry();

  Result<void> Start();
  const DiskConfig& config() const { return disk_.config; }
  XenbusState state() const { return xenbus_->state(); }
  Result<void> Resize();
  void Report(Inquiry& inquiry) { workers_.Report(inquiry); }
  void StartOver(std::function<void()> done) { xenbus_->StartOver(std::move(done)); }
  void Remove(std::function<void()> removed) { xenbus_->Remove(std::move(removed)); }

 private:
  // XenbusDriver
  XsResult<void> Offer(XenstoreView& store, const std::string& path) override;
  Outcome Connect(XenstoreClient& store, const std::string& front,
                  const std::string& back) override;
  void Disconnect(std::function<void()> done) override;

  XenbusKeys Features() const;
  XenbusKeys Properties() const;
  QueueWorker::Host Host(std::size_t index);
  tl::expected<BlockConnection, std::string> Take(const BlockFrontKeys& keys, std::size_t index);

  const Parts parts_;
  const std::unique_ptr<DiskImage> image_;
  DiskState disk_;
  // Each its worker's own.
  std::array<std::unique_ptr<DiskChannel>, kMaxDiskQueues> channels_;
  QueueWorkers workers_;
  std::unique_ptr<XenbusBackend> xenbus_;
  std::future<void> ended_;  // once the end has begun
  std::chrono::steady_clock::time_point end_limit_;
};

void BlockBackend::Impl::BeginEnd() {
  ended_ = workers_.BeginEnd();
  end_limit_ = std::chrono::steady_clock::now() + kDiskStopLimit;
}

void BlockBackend::Impl::Retry() {
  ++disk_.retries;
  workers_.Kick();
}

BlockBackend::Impl::~Impl() {
  if (!ended_.valid()) {
    BeginEnd();
  }
  if (ended_.wait_until(end_limit_) == std::future_status::timeout) {
    image_->Interrupt();
  }
}

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
  const DiskImage::Facts facts = image_->facts();
  // The size in units of 512 bytes whatever the sector's, as Linux has it, and as <xen/io/blkif.h>
  // of Xen 4.20 came back to; the same holds for requests.
  return {{"sectors", Number(disk_.sectors)},
          {"sector-size", Number(facts.logical_sector)},
          {"physical-sector-size", Number(facts.physical_sector)},
          {"info", Number(disk_.readonly ? kReadonly : 0)}};
}

XsResult<void> BlockBackend::Impl::Offer(XenstoreView& store, const std::string& path) {
  return WriteXenbusKeys(store, path, Features());
}

QueueWorker::Host BlockBackend::Impl::Host(std::size_t index) {
  std::unique_ptr<DiskChannel>& channel = channels_.at(index);
  return {.open = [this, &channel](EventLoop& loop,
                                   const std::function<void()>& serve) -> Result<void> {
            VENEER_TRY_ASSIGN(channel, image_->OpenChannel());
            return loop.AddFd(channel->ready_fd(), EPOLLIN, [serve](std::uint32_t) { serve(); });
          },
          .close = [&channel] { channel.reset(); }};
}

tl::expected<BlockConnection, std::string> BlockBackend::Impl::Take(const BlockFrontKeys& keys,
                                                                    std::size_t index) {
  const BlockFrontKeys::Queue& queue = keys.queues[index];
  std::vector<PinnedGrant> ring;
  const GrantStatus status = parts_.grants.MapMany(queue.ring, GrantAccess::kReadWrite, ring);
  if (status != GrantStatus::kOkay) {
    return tl::unexpected(
        fmt::format("queue {}: the ring cannot be mapped: {}", index, GrantStatusText(status)));
  }
  const XenResult<EvtchnPort> port = parts_.events.BindHost(queue.port, workers_.kick_fd(index));
  if (!port) {
    return tl::unexpected(fmt::format("queue {}: event channel {} cannot be bound: {}", index,
                                      queue.port.value, XenErrnoName(port.error())));
  }
  return BlockConnection{.protocol = keys.protocol,
                         .ring = std::move(ring),
                         .port = BoundPort(parts_.events, *port),
                         .on_broken = workers_.BrokenReporter(
                             [this] { xenbus_->Fail("a ring whose indices make no sense"); })};
}

XenbusDriver::Outcome BlockBackend::Impl::Connect(XenstoreClient& store, const std::string& front,
                                                  const std::string& back) {
  const auto keys = ReadBlockFrontKeys(store, front, disk_.config.queues);
  if (!keys) {
    return tl::unexpected(keys.error());
  }
  if (const Result<void> made = workers_.Prepare(keys->queues.size()); !made) {
    return tl::unexpected(made.error().message);
  }
  std::vector<BlockConnection> connections;
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
  std::vector<QueueWorker::MakeServer> servers;
  for (std::size_t i = 0; i < connections.size(); ++i) {
    // Shared, because a function that is copied cannot own it.
    const auto connection = std::make_shared<BlockConnection>(std::move(connections[i]));
    servers.emplace_back([this, i, connection](EventLoop& loop) {
      return std::make_unique<BlockQueue>(disk_, parts_.grants, loop, *channels_.at(i),
                                          std::move(*connection));
    });
  }
  workers_.Attach(std::move(servers));
  LogDebug("disk {}: connected, {} queues of {} pages", disk_.config.vdev, keys->queues.size(),
           keys->queues.front().ring.size());
  return {};
}

void BlockBackend::Impl::Disconnect(std::function<void()> done) { workers_.Detach(done); }

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
void BlockBackend::BeginEnd() { impl_->BeginEnd(); }

const DiskConfig& BlockBackend::config() const { return impl_->config(); }
XenbusState BlockBackend::state() const { return impl_->state(); }
void BlockBackend::Retry() { impl_->Retry(); }
Result<void> BlockBackend::Resize() { return impl_->Resize(); }
void BlockBackend::Report(Inquiry& inquiry) { impl_->Report(inquiry); }
void BlockBackend::StartOver(std::function<void()> done) { impl_->StartOver(std::move(done)); }
void BlockBackend::Remove(std::function<void()> removed) { impl_->Remove(std::move(removed)); }

}  // namespace veneer
