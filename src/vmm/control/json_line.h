// JSON that goes over the control socket.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace veneer {

// On one line, without its end. Nothing that is told is known to be UTF-8, and telling it must not
// fail: what is none is replaced.
inline std::string JsonLine(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace veneer
