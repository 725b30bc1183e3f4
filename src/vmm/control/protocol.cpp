#include "protocol.h"

#include <unistd.h>

#include <utility>

#include <nlohmann/json.hpp>

#include "json_line.h"
#include "veneer/vmm/control/guest_metrics.h"

namespace veneer {
namespace {

using Json = nlohmann::ordered_json;

double Seconds(std::uint64_t ns) { return static_cast<double>(ns) / 1e9; }

const char* StateName(GuestState state) {
  switch (state) {
    case GuestState::kRunning:
      return "running";
    case GuestState::kPaused:
      return "paused";
    case GuestState::kCrashed:
      return "crashed";
  }
  return "unknown";
}

// The member that the command needs beside its name.
Result<ControlArgument> ReadArgument(const Json& json, const ControlCommand& command) {
  ControlArgument argument;
  if (command.argument == ControlArgumentKind::kNone) {
    return argument;
  }
  const auto member = json.find(command.member);
  if (command.argument == ControlArgumentKind::kFlag) {
    if (member != json.end() && !member->is_boolean()) {
      return UsageError("\"{}\" of \"{}\" is true or false", command.member, command.name);
    }
    if (member != json.end() && member->get<bool>()) {
      argument.number = 1;
    }
    return argument;
  }
  const bool optional = command.argument == ControlArgumentKind::kNumberOrNothing ||
                        command.argument == ControlArgumentKind::kTextOrNothing;
  if (optional && member == json.end()) {
    return argument;
  }
  const bool number = command.argument == ControlArgumentKind::kNumberOrNothing ||
                      command.argument == ControlArgumentKind::kSize ||
                      command.argument == ControlArgumentKind::kNumber;
  if (member == json.end() || !(number ? member->is_number_unsigned() : member->is_string())) {
    return UsageError("\"{}\" needs \"{}\", {}", command.name, command.member,
                      number ? "a whole number" : "a text");
  }
  if (number) {
    argument.number = member->get<std::uint64_t>();
  } else {
    argument.text = member->get<std::string>();
  }
  return argument;
}

}  // namespace

Result<ControlRequest> ParseRequest(std::string_view line) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return UsageError("a request is one JSON object on one line");
  }
  const auto name = json.find("command");
  if (name == json.end() || !name->is_string()) {
    return UsageError("a request needs a \"command\"");
  }
  const ControlCommand* const command = FindControlCommand(name->get_ref<const std::string&>());
  if (command == nullptr) {
    return UsageError("there is no such command");
  }
  VENEER_TRY_ASSIGN(ControlArgument argument, ReadArgument(json, *command));
  return ControlRequest{command, std::move(argument)};
}

std::string OkReply() { return JsonLine(Json{{"ok", true}}); }

std::string ConsoleReply(std::string_view console, bool writes) {
  return JsonLine(Json{{"ok", true}, {"console", console}, {"writes", writes}});
}

std::string ErrorReply(std::string_view message) {
  return JsonLine(Json{{"ok", false}, {"error", message}});
}

std::string DiskReply(std::string_view name) {
  return JsonLine(Json{{"ok", true}, {"disk", name}});
}

std::string NicReply(unsigned number) { return JsonLine(Json{{"ok", true}, {"nic", number}}); }

std::string VcpusReply(const GuestInfo::Vcpus& vcpus) {
  return JsonLine(Json{{"ok", true},
                       {"vcpus", vcpus.given},
                       {"vcpus_online", vcpus.online},
                       {"vcpus_max", vcpus.possible}});
}

std::string InfoReply(const GuestInfo& info) {
  Json json{{"ok", true},
            {"name", info.name},
            {"state", StateName(info.state)},
            {"vcpus", info.vcpus.given},
            {"vcpus_online", info.vcpus.online},
            {"vcpus_max", info.vcpus.possible},
            {"memory",
             {{"now", info.memory_bytes},
              {"target", info.memory_target_bytes},
              {"max", info.memory_max_bytes}}},
            {"xen", info.xen},
            {"transport", info.transport},
            {"events", info.events},
            {"uptime_seconds", Seconds(info.uptime_ns)},
            {"pid", getpid()},
            {"protocol", kControlProtocol},
            {"milestones", Json::array()},
            {"disks", Json::array()},
            {"nics", Json::array()}};
  if (!info.pause_reason.empty()) {
    json["reason"] = info.pause_reason;
  }
  for (const GuestInfo::Milestone& milestone : info.milestones) {
    json["milestones"].push_back({{"name", milestone.name}, {"seconds", Seconds(milestone.at_ns)}});
  }
  for (const GuestInfo::Disk& disk : info.disks) {
    json["disks"].push_back({{"name", disk.name},
                             {"bus", disk.bus},
                             {"path", disk.path},
                             {"bytes", disk.bytes},
                             {"readonly", disk.readonly},
                             {"connected", disk.connected},
                             {"removing", disk.removing}});
  }
  for (const GuestInfo::Nic& nic : info.nics) {
    json["nics"].push_back({{"number", nic.number},
                            {"model", nic.model},
                            {"mac", nic.mac},
                            {"link", nic.link},
                            {"connected", nic.connected},
                            {"removing", nic.removing}});
  }
  if (!info.debug.empty()) {
    json["debug"] = info.debug;
  }
  return JsonLine(json);
}

std::string MetricsReply(const GuestMetrics& metrics) {
  Json json{{"ok", true}};
  json.update(MetricsJson(metrics));
  return JsonLine(json);
}

std::string TextReply(std::string_view text) {
  return JsonLine(Json{{"ok", true}, {"text", text}});
}

std::string StoreReply(const StoreListing& listing) {
  Json json{{"ok", true}, {"truncated", listing.truncated}, {"nodes", Json::array()}};
  for (const StoreNode& node : listing.nodes) {
    json["nodes"].push_back({{"path", node.path}, {"value", node.value}});
  }
  return JsonLine(json);
}

}  // namespace veneer
