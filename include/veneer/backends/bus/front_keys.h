// Reading what a front-end has written about itself.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "veneer/xencompat/xenstore/client.h"

namespace veneer {

// Reads values below one path and remembers the first thing that is wrong. A value may be anything.
class FrontKeyReader {
 public:
  static constexpr std::uint32_t kAny = std::numeric_limits<std::uint32_t>::max();

  FrontKeyReader(XenstoreView& store, std::string base) : store_(store), base_(std::move(base)) {}

  // Up to `most`; `otherwise` if there is no such key; 0 after a complaint.
  std::uint32_t Number(const std::string& name, std::optional<std::uint32_t> otherwise,
                       std::uint32_t most);
  // A key that is 1 or not.
  bool Flag(const std::string& name, bool otherwise) { return Number(name, otherwise, kAny) != 0; }
  std::string Text(const std::string& name, const std::string& otherwise);
  void Complain(std::string what);
  bool good() const { return problem_.empty(); }

  // Has `read` read from one snapshot of the keys below `front`. The error names the key that is
  // missing or wrong.
  static tl::expected<void, std::string> Read(XenstoreClient& store, const std::string& front,
                                              const std::function<void(FrontKeyReader&)>& read);

 private:
  XenstoreView& store_;
  const std::string base_;
  std::string problem_;
};

}  // namespace veneer
