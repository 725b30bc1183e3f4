// Members of a guest's answer, by JSON pointer; an answer of another version may lack them.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace veneer {

// "?" if there is no such text.
inline std::string Text(const nlohmann::ordered_json& json, const char* pointer) {
  const nlohmann::ordered_json::json_pointer at(pointer);
  return json.contains(at) && json[at].is_string() ? json[at].get<std::string>() : "?";
}

// 0 if there is no such number.
inline double Number(const nlohmann::ordered_json& json, const char* pointer) {
  const nlohmann::ordered_json::json_pointer at(pointer);
  return json.contains(at) && json[at].is_number() ? json[at].get<double>() : 0;
}

inline bool Flag(const nlohmann::ordered_json& json, const char* pointer) {
  const nlohmann::ordered_json::json_pointer at(pointer);
  return json.contains(at) && json[at].is_boolean() && json[at].get<bool>();
}

}  // namespace veneer
