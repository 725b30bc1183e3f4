#include "veneer/backends/net/net_backend.h"

#include <utility>
#include <vector>

#include <fmt/core.h>

#include "net_front_keys.h"
#include "net_queue.h"
#include "nic_state.h"
#include "veneer/backends/bus/queue_workers.h"
#include "veneer/backends/bus/xenbus_backend.h"
#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/log.h"

namespace veneer {
namespace {

std::string Number(std::uint64_t value) { return fmt::format("{}", value); }

// Nothing but the ring keeps a worker busy: its host side comes and goes with the connection.
QueueWorker::Host NoHost() {
  return {.open = [](EventLoop&, const std::function<void()>&) -> Result<void> { return {}; },
          .close = [] {}};
}

}  // namespace

class NetBackend::Impl final : private XenbusDriver {
 public:
  Impl(const Parts& parts, unsigned number, const NetConfig& config, std::unique_ptr<NetLink> link)
      : parts_(parts),
        link_(std::move(link)),
        nic_(number, config, *link_, parts.metrics),
        workers_(link_->facts().thread, fmt::format("net{}", number), parts.post,
                 [](std::size_t) { return NoHost(); }) {}

  Result<void> Start();
  const NetConfig& config() const { return nic_.config; }
  NetLink::Facts link() const { return link_->facts(); }
  XenbusState state() const { return xenbus_->state(); }
  void Report(Inquiry& inquiry) { workers_.Report(inquiry); }
  void StartOver(std::function<void()> done) { xenbus_->StartOver(std::move(done)); }
  void Remove(std::function<void()> removed) { xenbus_->Remove(std::move(removed)); }

 private:
  // XenbusDriver
  XsResult<void> Offer(XenstoreView& store, const std::string& path) override;
  Outcome Connect(XenstoreClient& store, const std::string& front,
                  const std::string& back) override;
  void Disconnect(std::function<void()> done) override { workers_.Detach(done); }

  unsigned max_queues() const { return std::min(nic_.config.queues, link_->facts().queues); }
  tl::expected<NetConnection, std::string> Take(const NetFrontKeys& keys, std::size_t index);
  tl::expected<BoundPort, std::string> Bind(EvtchnPort port, std::size_t index);

  const Parts parts_;
  const std::unique_ptr<NetLink> link_;
  NicState nic_;
  QueueWorkers workers_;
  std::unique_ptr<XenbusBackend> xenbus_;
};

Result<void> NetBackend::Impl::Start() {
  VENEER_CHECK(nic_.config.mac.has_value());
  const std::string mac = ToString(*nic_.config.mac);
  const NetLink::Facts facts = link_->facts();
  XenbusBackend::Device device{
      .type = "vif",
      .id = nic_.number,
      .guest = kGuestDomId,
      .front = {{"handle", Number(nic_.number)}, {"mac", mac}, {"mtu", Number(facts.mtu)}},
      .back = {{"handle", Number(nic_.number)},
               {"mac", mac},
               {"mtu", Number(facts.mtu)},
               {"type", "vif"},
               {"vifname", facts.name},
               {"hotplug-status", "connected"}}};
  VENEER_TRY_ASSIGN(xenbus_,
                    XenbusBackend::Create(parts_.store, parts_.post, *this, std::move(device)));
  return {};
}

XsResult<void> NetBackend::Impl::Offer(XenstoreView& store, const std::string& path) {
  const std::string offloads = link_->facts().offloads ? "1" : "0";
  return WriteXenbusKeys(store, path,
                         {{"feature-rx-copy", "1"},
                          {"feature-rx-flip", "0"},
                          {"feature-sg", "1"},
                          {"feature-gso-tcpv4", offloads},
                          {"feature-gso-tcpv6", offloads},
                          // A link without offloads completes checksums itself.
                          {"feature-ipv6-csum-offload", "1"},
                          {"feature-multicast-control", "1"},
                          {"feature-dynamic-multicast-control", "1"},
                          {"feature-split-event-channels", "1"},
                          {"multi-queue-max-queues", Number(max_queues())}});
}

tl::expected<BoundPort, std::string> NetBackend::Impl::Bind(EvtchnPort port, std::size_t index) {
  const XenResult<EvtchnPort> bound = parts_.events.BindHost(port, workers_.kick_fd(index));
  if (!bound) {
    return tl::unexpected(fmt::format("queue {}: event channel {} cannot be bound: {}", index,
                                      port.value, XenErrnoName(bound.error())));
  }
  return BoundPort(parts_.events, *bound);
}

tl::expected<NetConnection, std::string> NetBackend::Impl::Take(const NetFrontKeys& keys,
                                                                std::size_t index) {
  const NetFrontKeys::Queue& queue = keys.queues[index];
  const auto map = [&](GrantRef ref) { return parts_.grants.Map(ref, GrantAccess::kReadWrite); };
  auto tx_ring = map(queue.tx_ring);
  auto rx_ring = map(queue.rx_ring);
  if (!tx_ring || !rx_ring) {
    return tl::unexpected(fmt::format("queue {}: a ring cannot be mapped: {}", index,
                                      GrantStatusText((tx_ring ? rx_ring : tx_ring).error())));
  }
  auto tx_port = Bind(queue.tx_port, index);
  if (!tx_port) {
    return tl::unexpected(tx_port.error());
  }
  NetConnection connection{.tx_ring = std::move(*tx_ring),
                           .rx_ring = std::move(*rx_ring),
                           .tx_port = std::move(*tx_port),
                           .rx_port = std::nullopt,
                           .abilities = keys.abilities,
                           .channel = nullptr,
                           .on_broken = workers_.BrokenReporter([this] {
                             xenbus_->Fail("a ring whose indices or frames make no sense");
                           })};
  if (queue.rx_port) {
    auto rx_port = Bind(*queue.rx_port, index);
    if (!rx_port) {
      return tl::unexpected(rx_port.error());
    }
    connection.rx_port.emplace(std::move(*rx_port));
  }
  auto channel = link_->OpenChannel(static_cast<unsigned>(index));
  if (!channel) {
    return tl::unexpected(channel.error().message);
  }
  connection.channel = std::move(*channel);
  return connection;
}

XenbusDriver::Outcome NetBackend::Impl::Connect(XenstoreClient& store, const std::string& front,
                                                const std::string&) {
  const auto keys = ReadNetFrontKeys(store, front, max_queues());
  if (!keys) {
    return tl::unexpected(keys.error());
  }
  Result<void> made = workers_.Prepare(keys->queues.size());
  if (made) {
    made = link_->SetReceiverOffloads(keys->abilities.offloads);
  }
  if (!made) {
    return tl::unexpected(made.error().message);
  }
  nic_.multicast.Reset(keys->multicast_control);
  std::vector<QueueWorker::MakeServer> servers;
  for (std::size_t i = 0; i < keys->queues.size(); ++i) {
    auto taken = Take(*keys, i);
    if (!taken) {
      return tl::unexpected(taken.error());
    }
    // Shared, because a function that is copied cannot own it.
    const auto connection = std::make_shared<NetConnection>(std::move(*taken));
    servers.emplace_back([this, connection](EventLoop& loop) {
      return std::make_unique<NetQueue>(nic_, parts_.grants, loop, std::move(*connection));
    });
  }
  workers_.Attach(std::move(servers));
  LogDebug("NIC {}: connected to {}, {} queues", nic_.number, link_->facts().name,
           keys->queues.size());
  return {};
}

Result<std::unique_ptr<NetBackend>> NetBackend::Create(const Parts& parts, unsigned number,
                                                       const NetConfig& config,
                                                       std::unique_ptr<NetLink> link) {
  auto impl = std::make_unique<Impl>(parts, number, config, std::move(link));
  VENEER_TRY(impl->Start());
  return std::unique_ptr<NetBackend>(new NetBackend(std::move(impl)));
}

NetBackend::NetBackend(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
NetBackend::~NetBackend() = default;

const NetConfig& NetBackend::config() const { return impl_->config(); }
NetLink::Facts NetBackend::link() const { return impl_->link(); }
XenbusState NetBackend::state() const { return impl_->state(); }
void NetBackend::Report(Inquiry& inquiry) { impl_->Report(inquiry); }
void NetBackend::StartOver(std::function<void()> done) { impl_->StartOver(std::move(done)); }
void NetBackend::Remove(std::function<void()> removed) { impl_->Remove(std::move(removed)); }

}  // namespace veneer
