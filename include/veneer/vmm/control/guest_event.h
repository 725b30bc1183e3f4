// Something that has happened to a guest, for those who listen at the control socket.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace veneer {

struct GuestEvent {
  using Value = std::variant<std::string, std::uint64_t, double>;

  std::string_view name;  // "started"; all are in src/vmm/control/README.md
  std::vector<std::pair<std::string_view, Value>> members{};
};

}  // namespace veneer
