#include "veneer/backends/bus/front_keys.h"

#include <utility>

#include <fmt/core.h>

namespace veneer {

std::uint32_t FrontKeyReader::Number(const std::string& name,
                                     std::optional<std::uint32_t> otherwise, std::uint32_t most) {
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

std::string FrontKeyReader::Text(const std::string& name, const std::string& otherwise) {
  return store_.Read(fmt::format("{}/{}", base_, name)).value_or(otherwise);
}

void FrontKeyReader::Complain(std::string what) {
  if (problem_.empty()) {
    problem_ = std::move(what);
  }
}

tl::expected<void, std::string> FrontKeyReader::Read(
    XenstoreClient& store, const std::string& front,
    const std::function<void(FrontKeyReader&)>& read) {
  std::string problem;
  const auto done = store.Transact([&](XenstoreTransaction& view) -> XsResult<void> {
    FrontKeyReader keys(view, front);
    read(keys);
    problem = keys.problem_;
    return {};
  });
  if (!done) {
    problem = "the front-end's keys keep changing";
  }
  if (!problem.empty()) {
    return tl::unexpected(std::move(problem));
  }
  return {};
}

}  // namespace veneer
