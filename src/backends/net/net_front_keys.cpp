#include "net_front_keys.h"

#include <utility>

#include <fmt/core.h>

#include "veneer/backends/bus/front_keys.h"

namespace veneer {
namespace {

constexpr std::uint32_t kAny = FrontKeyReader::kAny;

NetFrontKeys::Queue ReadQueue(FrontKeyReader& keys, const std::string& prefix) {
  NetFrontKeys::Queue queue;
  queue.tx_ring = GrantRef{keys.Number(prefix + "tx-ring-ref", std::nullopt, kAny)};
  queue.rx_ring = GrantRef{keys.Number(prefix + "rx-ring-ref", std::nullopt, kAny)};
  if (keys.Text(prefix + "event-channel-tx", "").empty()) {
    queue.tx_port = EvtchnPort{keys.Number(prefix + "event-channel", std::nullopt, kAny)};
  } else {
    queue.tx_port = EvtchnPort{keys.Number(prefix + "event-channel-tx", std::nullopt, kAny)};
    queue.rx_port = EvtchnPort{keys.Number(prefix + "event-channel-rx", std::nullopt, kAny)};
  }
  return queue;
}

NetFrontKeys ReadAll(FrontKeyReader& keys, unsigned max_queues) {
  NetFrontKeys result;
  if (!keys.Flag("request-rx-copy", false)) {
    keys.Complain("the front-end wants frames in pages that change hands (request-rx-copy is 0)");
  }
  if (!keys.Flag("feature-rx-notify", false)) {
    keys.Complain("the front-end does not tell of new receive buffers (feature-rx-notify is 0)");
  }
  result.abilities.scatter_gather = keys.Flag("feature-sg", false);
  // There is one switch for both versions of IP.
  NetOffloads& offloads = result.abilities.offloads;
  offloads.checksum =
      !keys.Flag("feature-no-csum-offload", false) && keys.Flag("feature-ipv6-csum-offload", false);
  const bool segments = result.abilities.scatter_gather && offloads.checksum;
  offloads.tso4 = segments && keys.Flag("feature-gso-tcpv4", false);
  offloads.tso6 = segments && keys.Flag("feature-gso-tcpv6", false);
  result.multicast_control = keys.Flag("request-multicast-control", false);

  const std::uint32_t count = keys.Number("multi-queue-num-queues", 1, max_queues);
  if (count == 0) {
    keys.Complain("the front-end wants no queue at all");
  }
  // A front-end that knows of queues has a folder for each as soon as it says their number.
  const bool folders = !keys.Text("multi-queue-num-queues", "").empty() && count > 1;
  for (std::uint32_t i = 0; i < count && keys.good(); ++i) {
    result.queues.push_back(ReadQueue(keys, folders ? fmt::format("queue-{}/", i) : ""));
  }
  return result;
}

}  // namespace

tl::expected<NetFrontKeys, std::string> ReadNetFrontKeys(XenstoreClient& store,
                                                         const std::string& front,
                                                         unsigned max_queues) {
  NetFrontKeys result;
  return FrontKeyReader::Read(store, front,
                              [&](FrontKeyReader& keys) { result = ReadAll(keys, max_queues); })
      .map([&] { return std::move(result); });
}

}  // namespace veneer
