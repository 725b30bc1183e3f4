#include "protocol.h"

#include <unistd.h>

#include <algorithm>
#include <limits>
#include <utility>

#include <nlohmann/json.hpp>

namespace veneer {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::pair<std::string_view, ControlCommand> kCommands[] = {
    {"shutdown", ControlCommand::kShutdown},
    {"reboot", ControlCommand::kReboot},
    {"pause", ControlCommand::kPause},
    {"resume", ControlCommand::kResume},
    {"info", ControlCommand::kInfo},
    {"xenstore-ls", ControlCommand::kListStore},
    {"stop", ControlCommand::kStop},
    {"balloon", ControlCommand::kBalloon},
    {"disk-add", ControlCommand::kAddDisk},
    {"disk-remove", ControlCommand::kRemoveDisk},
    {"disk-resize", ControlCommand::kResizeDisk},
    {"net-add", ControlCommand::kAddNic},
    {"net-remove", ControlCommand::kRemoveNic},
};

std::string Line(const Json& json) {
  // Nothing here is known to be UTF-8, and a reply must not fail.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

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

// Members that commands need beside their names.
Result<std::string> NeedText(const Json& json, const char* key) {
  const auto member = json.find(key);
  if (member == json.end() || !member->is_string()) {
    return UsageError("{} needs \"{}\", a text", json["command"].dump(), key);
  }
  return member->get<std::string>();
}

Result<std::uint64_t> NeedNumber(const Json& json, const char* key) {
  const auto member = json.find(key);
  if (member == json.end() || !member->is_number_unsigned()) {
    return UsageError("{} needs \"{}\", a whole number", json["command"].dump(), key);
  }
  return member->get<std::uint64_t>();
}

Result<void> ReadArgument(const Json& json, ControlRequest& request) {
  switch (request.command) {
    case ControlCommand::kBalloon: {
      VENEER_TRY_ASSIGN(request.bytes, NeedNumber(json, "bytes"));
      return {};
    }
    case ControlCommand::kAddDisk:
    case ControlCommand::kRemoveDisk:
    case ControlCommand::kResizeDisk: {
      VENEER_TRY_ASSIGN(request.disk, NeedText(json, "disk"));
      return {};
    }
    case ControlCommand::kAddNic: {
      VENEER_TRY_ASSIGN(request.net, NeedText(json, "net"));
      return {};
    }
    case ControlCommand::kRemoveNic: {
      VENEER_TRY_ASSIGN(const std::uint64_t nic, NeedNumber(json, "nic"));
      // Any number too large is no NIC's either.
      request.nic =
          static_cast<unsigned>(std::min<std::uint64_t>(nic, std::numeric_limits<unsigned>::max()));
      return {};
    }
    default:
      return {};
  }
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
  const auto& text = name->get_ref<const std::string&>();
  for (const auto& [command_name, command] : kCommands) {
    if (text != command_name) {
      continue;
    }
    ControlRequest request;
    request.command = command;
    VENEER_TRY(ReadArgument(json, request));
    return request;
  }
  return UsageError("there is no such command");
}

std::string OkReply() { return Line(Json{{"ok", true}}); }

std::string ErrorReply(std::string_view message) {
  return Line(Json{{"ok", false}, {"error", message}});
}

std::string DiskReply(std::string_view name) { return Line(Json{{"ok", true}, {"disk", name}}); }

std::string NicReply(unsigned number) { return Line(Json{{"ok", true}, {"nic", number}}); }

std::string InfoReply(const GuestInfo& info) {
  Json json{{"ok", true},
            {"name", info.name},
            {"state", StateName(info.state)},
            {"vcpus", info.vcpus},
            {"memory",
             {{"now", info.memory_bytes},
              {"target", info.memory_target_bytes},
              {"max", info.memory_max_bytes}}},
            {"xen", info.xen},
            {"transport", info.transport},
            {"events", info.events},
            {"uptime_seconds", Seconds(info.uptime_ns)},
            {"pid", getpid()},
            {"milestones", Json::array()},
            {"disks", Json::array()},
            {"nics", Json::array()}};
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
  return Line(json);
}

std::string StoreReply(const StoreListing& listing) {
  Json json{{"ok", true}, {"truncated", listing.truncated}, {"nodes", Json::array()}};
  for (const StoreNode& node : listing.nodes) {
    json["nodes"].push_back({{"path", node.path}, {"value", node.value}});
  }
  return Line(json);
}

}  // namespace veneer
