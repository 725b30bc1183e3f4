#include "front_keys.h"

#include <limits>
#include <optional>
#include <utility>

#include <fmt/core.h>

namespace veneer {
namespace {

// Reads numbers below one path and remembers the first thing that is wrong.
class KeyReader {
 public:
  KeyReader(XenstoreView& store, std::string base) : store_(store), base_(std::move(base)) {}

  // Up to `most`; `otherwise` if there is no such key.
  std::uint32_t Number(const std::string& name, std::optional<std::uint32_t> otherwise,
                       std::uint32_t most) {
    const auto value = store_.ReadNumber(fmt::format("{}/{}", base_, name));
    if (!value && value.error() == XsError::kNotFound && otherwise) {
      return *otherwise;
    }
    if (!value || *value > most) {
      Complain(fmt::format("the front-end's key {} is {}", name,
                           value                                 ? "too large"
                           : value.error() == XsError::kNotFound ? "missing"
                                                                 : "no number"));
      return 0;
    }
    return static_cast<std::uint32_t>(*value);
  }
  std::string Text(const std::string& name, const std::string& otherwise) {
    return store_.Read(fmt::format("{}/{}", base_, name)).value_or(otherwise);
  }
  void Complain(std::string what) {
    if (problem_.empty()) {
      problem_ = std::move(what);
    }
  }
  const std::string& problem() const { return problem_; }

 private:
  XenstoreView& store_;
  const std::string base_;
  std::string problem_;
};

constexpr std::uint32_t kAny = std::numeric_limits<std::uint32_t>::max();

FrontKeys ReadAll(KeyReader& keys, unsigned max_queues) {
  FrontKeys result;
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
  for (std::uint32_t i = 0; i < count && keys.problem().empty(); ++i) {
    const std::string prefix = count == 1 ? "" : fmt::format("queue-{}/", i);
    FrontKeys::Queue& queue = result.queues.emplace_back();
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

tl::expected<FrontKeys, std::string> ReadFrontKeys(XenstoreClient& store, const std::string& front,
                                                   unsigned max_queues) {
  FrontKeys result;
  std::string problem;
  const auto read = store.Transact([&](XenstoreTransaction& view) -> XsResult<void> {
    KeyReader keys(view, front);
    result = ReadAll(keys, max_queues);
    problem = keys.problem();
    return {};
  });
  if (!read) {
    problem = "the front-end's keys keep changing";
  }
  if (!problem.empty()) {
    return tl::unexpected(std::move(problem));
  }
  return result;
}

}  // namespace veneer
