#include "block_front_keys.h"

#include <optional>
#include <utility>

#include <fmt/core.h>

#include "veneer/backends/bus/front_keys.h"

namespace veneer {
namespace {

constexpr std::uint32_t kAny = FrontKeyReader::kAny;

BlockFrontKeys ReadAll(FrontKeyReader& keys, unsigned max_queues) {
  BlockFrontKeys result;
  const std::string protocol = keys.Text("protocol", "x86_64-abi");
  if (const auto known = ParseBlockProtocol(protocol)) {
    result.protocol = *known;
  } else {
    keys.Complain("the front-end's protocol is not known");
  }
  const std::uint32_t count = keys.Number("multi-queue-num-queues", 1, max_queues);
  if (count == 0) {
    keys.Complain("the front-end wants no queue at all");
  }
  // Without the key there is one page, whose key has no number.
  const std::uint32_t order = keys.Number("ring-page-order", kAny, kMaxRingPageOrder);
  for (std::uint32_t i = 0; i < count && keys.good(); ++i) {
    const std::string prefix = count == 1 ? "" : fmt::format("queue-{}/", i);
    BlockFrontKeys::Queue& queue = result.queues.emplace_back();
    queue.port = EvtchnPort{keys.Number(prefix + "event-channel", std::nullopt, kAny)};
    // Of a ring of one page, some front-ends number it and some do not.
    if (order == kAny || (order == 0 && !keys.Text(prefix + "ring-ref", "").empty())) {
      queue.ring.push_back(GrantRef{keys.Number(prefix + "ring-ref", std::nullopt, kAny)});
      continue;
    }
    for (std::uint32_t page = 0; page < 1U << order; ++page) {
      queue.ring.push_back(
          GrantRef{keys.Number(fmt::format("{}ring-ref{}", prefix, page), std::nullopt, kAny)});
    }
  }
  return result;
}

}  // namespace

tl::expected<BlockFrontKeys, std::string> ReadBlockFrontKeys(XenstoreClient& store,
                                                             const std::string& front,
                                                             unsigned max_queues) {
  BlockFrontKeys result;
  return FrontKeyReader::Read(store, front,
                              [&](FrontKeyReader& keys) { result = ReadAll(keys, max_queues); })
      .map([&] { return std::move(result); });
}

}  // namespace veneer
