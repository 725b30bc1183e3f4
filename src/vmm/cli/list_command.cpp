#include "list_command.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <system_error>

#include <nlohmann/json.hpp>

#include "exit_code.h"
#include "reply_members.h"
#include "veneer/vmm/control/control_client.h"
#include "veneer/vmm/control/control_socket.h"

namespace veneer {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kSuffix = ".sock";
constexpr std::chrono::seconds kAnswerLimit{2};

int Fail(const Error& error) {
  fmt::print(stderr, "veneer: {}\n", error.message);
  return static_cast<int>(error.kind == ErrorKind::kUsage ? ExitCode::kUsage
                                                          : ExitCode::kHostError);
}

std::string UpTime(double seconds) {
  const auto whole = static_cast<std::uint64_t>(seconds < 0 ? 0 : seconds);
  constexpr std::uint64_t kDay = 86400;
  const std::string clock =
      fmt::format("{:02}:{:02}:{:02}", whole % kDay / 3600, whole % 3600 / 60, whole % 60);
  return whole < kDay ? clock : fmt::format("{}d {}", whole / kDay, clock);
}

Result<std::string> OwnFolder() { return ControlFolder(geteuid(), std::getenv("XDG_RUNTIME_DIR")); }

Result<int> Wait(const WaitOptions& options) {
  using Clock = std::chrono::steady_clock;
  VENEER_TRY_ASSIGN(const std::string path, SocketOf(options.guest));
  const auto end = Clock::now() + std::chrono::seconds(options.timeout_seconds);
  bool seen = false;
  for (;;) {
    VENEER_TRY_ASSIGN(const std::unique_ptr<ControlClient> client, ControlClient::Connect(path));
    if (client == nullptr && seen) {
      return static_cast<int>(ExitCode::kOk);
    }
    if (client == nullptr) {
      return NoSuchGuest(options.guest, path);
    }
    // A guest that reboots closes it too, but listens on.
    seen = true;
    auto slice = std::chrono::milliseconds(std::chrono::hours(1));
    do {
      if (options.timeout_seconds != 0) {
        slice = std::min(slice, std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()));
        if (slice.count() <= 0) {
          return static_cast<int>(ExitCode::kTimeout);
        }
      }
    } while (!client->WaitForEnd(slice));
  }
}

}  // namespace

Result<std::vector<ListedGuest>> FindGuests(const std::string& folder,
                                            std::chrono::milliseconds limit) {
  std::vector<std::string> names;
  std::error_code failed;
  for (std::filesystem::directory_iterator entry(folder, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    const std::string file = entry->path().filename();
    if (file.size() > kSuffix.size() && file.ends_with(kSuffix)) {
      names.push_back(file.substr(0, file.size() - kSuffix.size()));
    }
  }
  if (failed && failed != std::errc::no_such_file_or_directory) {
    return HostError("cannot look for guests in '{}': {}", folder, failed.message());
  }
  std::ranges::sort(names);
  std::vector<ListedGuest> guests;
  for (const std::string& name : names) {
    const auto client = ControlClient::Connect(ControlSocketIn(folder, name));
    if (!client || *client == nullptr) {
      continue;  // a killed process has left it, or it ends right now
    }
    const Result<std::string> info = (*client)->Ask(R"({"command":"info"})", limit);
    guests.push_back({name, info ? *info : std::string()});
  }
  return guests;
}

std::string GuestTable(std::span<const ListedGuest> guests) {
  constexpr double kMiB = 1 << 20;
  const auto line = [](std::string_view name, std::string_view id, std::string_view memory,
                       std::string_view cpus, std::string_view state, std::string_view up) {
    return fmt::format("{:<20} {:>8} {:>9} {:>5}  {:<9} {:>12}\n", name, id, memory, cpus, state,
                       up);
  };
  std::string table = line("Name", "PID", "Mem(MiB)", "vCPUs", "State", "Up");
  for (const ListedGuest& guest : guests) {
    const Json info = Json::parse(guest.info, nullptr, /*allow_exceptions=*/false);
    if (!info.is_object()) {
      table += line(guest.name, "-", "-", "-", "no answer", "-");
      continue;
    }
    const auto state = info.find("state");
    table += line(guest.name, fmt::format("{:.0f}", Number(info, "/pid")),
                  fmt::format("{:.0f}", Number(info, "/memory/now") / kMiB),
                  fmt::format("{:.0f}", Number(info, "/vcpus")),
                  state != info.end() && state->is_string() ? state->get<std::string>() : "?",
                  UpTime(Number(info, "/uptime_seconds")));
  }
  return table;
}

std::string GuestJson(std::span<const ListedGuest> guests) {
  Json list = Json::array();
  for (const ListedGuest& guest : guests) {
    Json info = Json::parse(guest.info, nullptr, /*allow_exceptions=*/false);
    if (info.is_object()) {
      info.erase("ok");
      list.push_back(std::move(info));
    } else {
      list.push_back({{"name", guest.name}, {"state", "no answer"}});
    }
  }
  return list.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

int ListCommand(bool json) {
  const Result<std::string> folder = OwnFolder();
  if (!folder) {
    return Fail(folder.error());
  }
  const auto guests = FindGuests(*folder, kAnswerLimit);
  if (!guests) {
    return Fail(guests.error());
  }
  const std::string text = json ? GuestJson(*guests) : GuestTable(*guests);
  static_cast<void>(std::fwrite(text.data(), 1, text.size(), stdout));
  return static_cast<int>(ExitCode::kOk);
}

int WaitCommand(const WaitOptions& options) {
  const Result<int> code = Wait(options);
  return code ? *code : Fail(code.error());
}

}  // namespace veneer
