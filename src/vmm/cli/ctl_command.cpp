#include "ctl_command.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Validators.hpp>
#include <nlohmann/json.hpp>

#include "exit_code.h"
#include "reply_members.h"
#include "run_options.h"
#include "veneer/host/disk/disk_config.h"
#include "veneer/host/net/net_config.h"
#include "veneer/vmm/base/option_list.h"
#include "veneer/vmm/control/commands.h"
#include "veneer/vmm/control/control_client.h"
#include "veneer/vmm/control/control_socket.h"

namespace veneer {
namespace {

using Json = nlohmann::ordered_json;

// How long a machine may take to end, with its threads and memory.
constexpr std::chrono::seconds kEndLimit{20};

const char* UseText(const Json& device) {
  return Text(device, "/bus") == "ide"       ? ", emulated (IDE)"
         : Text(device, "/model") == "e1000" ? ", emulated (e1000)"
         : Flag(device, "/removing")         ? ", being removed"
         : Flag(device, "/connected")        ? ", in use"
                                             : ", not in use";
}

std::string VcpusText(const Json& reply) {
  return fmt::format("{:.0f} given, {:.0f} online, {:.0f} possible\n", Number(reply, "/vcpus"),
                     Number(reply, "/vcpus_online"), Number(reply, "/vcpus_max"));
}

std::string InfoText(const Json& reply) {
  constexpr double kMiB = 1 << 20;
  const std::string paths = Flag(reply, "/xen")
                                ? fmt::format("hypercalls  {}\nevents      {}\n",
                                              Text(reply, "/transport"), Text(reply, "/events"))
                                : std::string();
  std::string text = fmt::format(
      "name        {}\nstate       {}{}\nvCPUs       {}"
      "memory      {:.1f} MiB now, {:.1f} MiB target, {:.1f} MiB maximum\n"
      "Xen         {}\n{}uptime      {:.1f} s\npid         {:.0f}\n",
      Text(reply, "/name"), Text(reply, "/state"),
      reply.contains("reason") ? fmt::format(" ({})", Text(reply, "/reason")) : std::string(),
      VcpusText(reply), Number(reply, "/memory/now") / kMiB, Number(reply, "/memory/target") / kMiB,
      Number(reply, "/memory/max") / kMiB, Flag(reply, "/xen") ? "on" : "off", paths,
      Number(reply, "/uptime_seconds"), Number(reply, "/pid"));
  if (reply.contains("milestones")) {
    for (const Json& milestone : reply["milestones"]) {
      text += fmt::format("milestone   {} after {:.1f} s\n", Text(milestone, "/name"),
                          Number(milestone, "/seconds"));
    }
  }
  if (reply.contains("disks")) {
    for (const Json& disk : reply["disks"]) {
      text += fmt::format(
          "disk        {} {:.1f} MiB{}{} {}\n", Text(disk, "/name"), Number(disk, "/bytes") / kMiB,
          Flag(disk, "/readonly") ? ", read-only" : "", UseText(disk), Text(disk, "/path"));
    }
  }
  if (reply.contains("nics")) {
    for (const Json& nic : reply["nics"]) {
      text += fmt::format("NIC         {:.0f} {}{} {}\n", Number(nic, "/number"), Text(nic, "/mac"),
                          UseText(nic), Text(nic, "/link"));
    }
  }
  if (reply.contains("debug") && reply["debug"].is_array()) {
    for (const Json& line : reply["debug"]) {
      text += (line.is_string() ? line.get<std::string>() : line.dump()) + "\n";
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

// A list of KEY=VALUE with absolute paths for those `keys` that name files: the guest's process has
// another working directory.
Result<std::string> WithPathsFromHere(const std::string& text,
                                      const std::set<std::string_view>& keys) {
  return ChangeOptionValues(
      text, [&keys](std::string_view key, std::string_view value) -> Result<std::string> {
        if (!keys.contains(key) || value.find("://") != std::string_view::npos) {
          return std::string(value);
        }
        std::error_code failed;
        const std::string path = std::filesystem::absolute(value, failed);
        if (failed) {
          return HostError("cannot tell where '{}' is: {}", value, failed.message());
        }
        return path;
      });
}

// The argument as the guest's process takes it.
Result<Json> ArgumentValue(ControlArgumentKind kind, const std::string& argument) {
  switch (kind) {
    case ControlArgumentKind::kSize: {
      VENEER_TRY_ASSIGN(const std::uint64_t bytes, ParseSize(argument));
      return bytes;
    }
    case ControlArgumentKind::kNumber:
    case ControlArgumentKind::kNumberOrNothing: {
      const std::optional<std::uint64_t> number = ParseWhole(argument);
      if (!number) {
        return UsageError("'{}' is not a number", argument);
      }
      return *number;
    }
    case ControlArgumentKind::kDisk: {
      VENEER_TRY(ParseDisk(argument));
      VENEER_TRY_ASSIGN(std::string disk, WithPathsFromHere(argument, {"path"}));
      return disk;
    }
    case ControlArgumentKind::kNet: {
      VENEER_TRY(ParseNet(argument));
      VENEER_TRY_ASSIGN(std::string net, WithPathsFromHere(argument, {"socket", "script", "pcap"}));
      return net;
    }
    case ControlArgumentKind::kText:
    case ControlArgumentKind::kTextOrNothing:
    case ControlArgumentKind::kFlag:
    case ControlArgumentKind::kNone:
      break;
  }
  return argument;
}

// Waits until there is something to read. False if nobody reads standard output any more: a quiet
// guest would not have us notice.
bool WaitForMore(int stream) {
  for (;;) {
    std::array<pollfd, 2> files{{{stream, POLLIN, 0}, {STDOUT_FILENO, 0, 0}}};
    if (poll(files.data(), files.size(), -1) < 0) {
      continue;  // a signal
    }
    if (files[1].revents != 0) {
      return false;
    }
    if (files[0].revents != 0) {
      return true;
    }
  }
}

// Prints what comes until the guest ends.
Result<void> FollowGuest(const CtlOptions& options) {
  VENEER_TRY_ASSIGN(const std::string request, CtlRequest(options));
  VENEER_TRY_ASSIGN(const std::unique_ptr<ControlClient> client, ConnectTo(options.guest));
  VENEER_TRY_ASSIGN(const std::string reply, client->Begin(request, kReplyLimit));
  VENEER_TRY(CtlOutput(options, reply));
  std::array<char, 16384> buffer;
  for (;;) {
    if (!WaitForMore(client->stream())) {
      return HostError("nobody reads standard output any more");
    }
    const ssize_t count = recv(client->stream(), buffer.data(), buffer.size(), 0);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count <= 0) {
      break;
    }
    static_cast<void>(std::fwrite(buffer.data(), 1, static_cast<std::size_t>(count), stdout));
    if (std::fflush(stdout) != 0) {
      return ErrnoError(errno, "standard output cannot be written");
    }
  }
  if (!HasEnded(options.guest)) {
    return HostError("'{}' has closed the connection: it was not read for too long",
                     options.guest.name);
  }
  return {};
}

Result<std::string> AskGuest(const CtlOptions& options) {
  VENEER_TRY_ASSIGN(const std::string request, CtlRequest(options));
  VENEER_TRY_ASSIGN(const std::unique_ptr<ControlClient> client, ConnectTo(options.guest));
  VENEER_TRY_ASSIGN(const std::string reply, client->Ask(request, kReplyLimit));
  VENEER_TRY_ASSIGN(std::string output, CtlOutput(options, reply));
  if (options.command == "stop" && !client->WaitForEnd(kEndLimit)) {
    return HostError("it was told to stop and still runs after {} seconds", kEndLimit.count());
  }
  return output;
}

}  // namespace

void DeclareCtlOptions(CLI::App& command, CtlOptions& options) {
  command.add_option("name", options.guest.name, "The guest's name (run --name)")->required();
  std::vector<std::string> names;
  std::string list;
  for (const ControlCommand& known : ControlCommands()) {
    if (known.stream == ControlStream::kConsole) {
      continue;  // 'veneer console'
    }
    names.emplace_back(known.name);
    list += fmt::format("  {:<38} {}\n", fmt::format("{} {}", known.name, known.placeholder),
                        known.help);
  }
  command.add_option("command", options.command, "What to do, see below")
      ->required()
      ->check(CLI::IsMember(names));
  command
      .add_option("argument", options.argument,
                  "What the command needs; sizes with K, M, G or T, a plain number is MiB")
      ->type_name("TEXT");
  command
      .add_option("--socket", options.guest.socket,
                  "The guest's control socket (run --control-socket)")
      ->type_name("PATH");
  command.add_flag("--debug", options.debug,
                   "With info: vCPUs, interrupts, event channels and rings, to see why a guest "
                   "stands still");
  command.add_flag("--prometheus", options.prometheus,
                   "With metrics: in Prometheus's text format, version 0.0.4");
  command.add_flag("--json", options.json, "Print the guest's answer as it came");
  command.footer("Commands:\n" + list +
                 "\nExit codes: 0 done; 1 no such guest, or it cannot be done; 2 wrong usage.\n\n"
                 "Examples:\n"
                 "  veneer ctl web info\n"
                 "  veneer ctl web balloon 128M\n"
                 "  veneer ctl web cpus 4\n"
                 "  veneer ctl web events\n"
                 "  veneer ctl web disk-add path=data.img\n"
                 "  veneer ctl web net-add user,hostfwd=tcp::8080-:80");
}

Result<std::string> CtlRequest(const CtlOptions& options) {
  const ControlCommand* const command = FindControlCommand(options.command);
  if (command == nullptr) {
    return UsageError("there is no command '{}'", options.command);
  }
  Json request{{"command", command->name}};
  const bool flag = command->argument == ControlArgumentKind::kFlag;
  if (options.debug && command->member != "debug") {
    return UsageError("--debug belongs to 'info', and not to '{}'", command->name);
  }
  if (options.prometheus && command->member != "prometheus") {
    return UsageError("--prometheus belongs to 'metrics', and not to '{}'", command->name);
  }
  if (flag || command->argument == ControlArgumentKind::kNone) {
    if (!options.argument.empty()) {
      return UsageError("'{}' takes nothing more, and not '{}'", command->name, options.argument);
    }
    if (options.debug || options.prometheus) {
      request[std::string(command->member)] = true;
    }
    return request.dump();
  }
  if (options.argument.empty() && (command->argument == ControlArgumentKind::kNumberOrNothing ||
                                   command->argument == ControlArgumentKind::kTextOrNothing)) {
    return request.dump();
  }
  if (options.argument.empty()) {
    return UsageError("{} needs {}", command->name, command->needs);
  }
  VENEER_TRY_ASSIGN(request[std::string(command->member)],
                    ArgumentValue(command->argument, options.argument));
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
  if (options.command == "metrics" && !options.prometheus) {
    Json metrics = json;
    metrics.erase("ok");
    return metrics.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  }
  if (options.command == "metrics") {
    return Text(json, "/text");
  }
  if (options.command == "xenstore-ls") {
    return StoreText(json);
  }
  if (options.command == "cpus") {
    return VcpusText(json);
  }
  const ControlCommand* const command = FindControlCommand(options.command);
  if (command == nullptr || command->shows.empty()) {
    return std::string();
  }
  const Json shown = json.value(std::string(command->shows), Json("?"));
  return (shown.is_string() ? shown.get<std::string>() : shown.dump()) + "\n";
}

int CtlCommand(const CtlOptions& options) {
  const ControlCommand* const command = FindControlCommand(options.command);
  const bool follows = command != nullptr && command->stream != ControlStream::kNone;
  const Result<std::string> output =
      follows ? FollowGuest(options).map([] { return std::string(); }) : AskGuest(options);
  if (!output) {
    fmt::print(stderr, "veneer: {}\n", output.error().message);
    return static_cast<int>(output.error().kind == ErrorKind::kUsage ? ExitCode::kUsage
                                                                     : ExitCode::kHostError);
  }
  static_cast<void>(std::fwrite(output->data(), 1, output->size(), stdout));
  return static_cast<int>(ExitCode::kOk);
}

}  // namespace veneer
