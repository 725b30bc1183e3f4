#include "ctl_command.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Validators.hpp>
#include <nlohmann/json.hpp>

#include "exit_code.h"
#include "run_options.h"
#include "veneer/control/control_client.h"
#include "veneer/control/control_socket.h"

namespace veneer {
namespace {

using Json = nlohmann::ordered_json;

// Longer than the time a guest gets to take a shutdown (StoreControl::kAnswerLimitNs).
constexpr std::chrono::seconds kReplyLimit{20};
// How long a machine may take to end, with its threads and memory.
constexpr std::chrono::seconds kEndLimit{20};

// Members of a reply, by JSON pointer; a reply of another version may lack them.
std::string Text(const Json& json, const char* pointer) {
  const Json::json_pointer at(pointer);
  return json.contains(at) && json[at].is_string() ? json[at].get<std::string>() : "?";
}

double Number(const Json& json, const char* pointer) {
  const Json::json_pointer at(pointer);
  return json.contains(at) && json[at].is_number() ? json[at].get<double>() : 0;
}

bool Flag(const Json& json, const char* pointer) {
  const Json::json_pointer at(pointer);
  return json.contains(at) && json[at].is_boolean() && json[at].get<bool>();
}

std::string InfoText(const Json& reply) {
  constexpr double kMiB = 1 << 20;
  std::string text = fmt::format(
      "name        {}\nstate       {}\nvCPUs       {:.0f}\n"
      "memory      {:.1f} MiB now, {:.1f} MiB target, {:.1f} MiB maximum\n"
      "Xen         {}\nuptime      {:.1f} s\npid         {:.0f}\n",
      Text(reply, "/name"), Text(reply, "/state"), Number(reply, "/vcpus"),
      Number(reply, "/memory/now") / kMiB, Number(reply, "/memory/target") / kMiB,
      Number(reply, "/memory/max") / kMiB, Flag(reply, "/xen") ? "on" : "off",
      Number(reply, "/uptime_seconds"), Number(reply, "/pid"));
  if (reply.contains("milestones")) {
    for (const Json& milestone : reply["milestones"]) {
      text += fmt::format("milestone   {} after {:.1f} s\n", Text(milestone, "/name"),
                          Number(milestone, "/seconds"));
    }
  }
  return text;
}

// As xenstore-ls prints it: each level one space further in.
std::string StoreText(const Json& reply) {
  std::string text;
  if (reply.contains("nodes")) {
    for (const Json& node : reply["nodes"]) {
      const std::string path = Text(node, "/path");
      const std::size_t last = path.rfind('/');
      const auto depth = static_cast<std::size_t>(std::count(path.begin(), path.end(), '/'));
      text +=
          fmt::format("{}{} = \"{}\"\n", std::string(depth > 0 ? depth - 1 : 0, ' '),
                      path.substr(last == std::string::npos ? 0 : last + 1), Text(node, "/value"));
    }
  }
  if (Flag(reply, "/truncated")) {
    text += "(there is more)\n";
  }
  return text;
}

Result<std::string> SocketPath(const CtlOptions& options) {
  if (!options.socket.empty()) {
    return options.socket;
  }
  if (!IsGuestName(options.name)) {
    return UsageError("'{}' cannot be a guest's name", options.name);
  }
  return DefaultControlSocket(options.name);
}

Result<std::string> Carry(const CtlOptions& options) {
  VENEER_TRY_ASSIGN(const std::string request, CtlRequest(options));
  VENEER_TRY_ASSIGN(const std::string path, SocketPath(options));
  VENEER_TRY_ASSIGN(const std::unique_ptr<ControlClient> client, ControlClient::Connect(path));
  if (client == nullptr) {
    return HostError("no guest '{}' is running (nobody listens at '{}')", options.name, path);
  }
  VENEER_TRY_ASSIGN(const std::string reply, client->Ask(request, kReplyLimit));
  VENEER_TRY_ASSIGN(std::string output, CtlOutput(options, reply));
  if (options.command == "stop" && !client->WaitForEnd(kEndLimit)) {
    return HostError("it was told to stop and still runs after {} seconds", kEndLimit.count());
  }
  return output;
}

}  // namespace

void DeclareCtlOptions(CLI::App& command, CtlOptions& options) {
  command.add_option("name", options.name, "The guest's name (run --name)")->required();
  command
      .add_option("command", options.command,
                  "shutdown, reboot: ask the guest; pause, resume: its vCPUs; info; xenstore-ls; "
                  "stop: end it at once; balloon SIZE: how much memory it shall have")
      ->required()
      ->check(CLI::IsMember(
          {"shutdown", "reboot", "pause", "resume", "info", "xenstore-ls", "stop", "balloon"}));
  command.add_option("size", options.size, "For balloon (K, M, G, T; a plain number is MiB)");
  command
      .add_option("--socket", options.socket, "The guest's control socket (run --control-socket)")
      ->type_name("PATH");
  command.add_flag("--json", options.json, "Print the guest's answer as it came");
  command.footer(
      "Exit codes: 0 done; 1 no such guest, or it cannot be done; 2 wrong usage.\n\n"
      "Examples:\n"
      "  veneer ctl web info\n"
      "  veneer ctl web balloon 128M");
}

Result<std::string> CtlRequest(const CtlOptions& options) {
  Json request{{"command", options.command}};
  if (options.command == "balloon") {
    if (options.size.empty()) {
      return UsageError("balloon needs a size, for example 128M");
    }
    VENEER_TRY_ASSIGN(const std::uint64_t bytes, ParseSize(options.size));
    request["bytes"] = bytes;
  } else if (!options.size.empty()) {
    return UsageError("'{}' takes no size", options.command);
  }
  return request.dump();
}

Result<std::string> CtlOutput(const CtlOptions& options, std::string_view reply) {
  const Json json = Json::parse(reply, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return HostError("the answer is not one of Veneer's");
  }
  if (!Flag(json, "/ok")) {
    return HostError("{}", Text(json, "/error"));
  }
  if (options.json) {
    return std::string(reply) + "\n";
  }
  if (options.command == "info") {
    return InfoText(json);
  }
  if (options.command == "xenstore-ls") {
    return StoreText(json);
  }
  return std::string();
}

int CtlCommand(const CtlOptions& options) {
  const Result<std::string> output = Carry(options);
  if (!output) {
    fmt::print(stderr, "veneer: {}\n", output.error().message);
    return static_cast<int>(output.error().kind == ErrorKind::kUsage ? ExitCode::kUsage
                                                                     : ExitCode::kHostError);
  }
  static_cast<void>(std::fwrite(output->data(), 1, output->size(), stdout));
  return static_cast<int>(ExitCode::kOk);
}

}  // namespace veneer
