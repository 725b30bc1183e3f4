#include "companions.h"

#include <algorithm>

namespace veneer::bench {
namespace {

constexpr const char* kMicroPv[] = {"micro-block", "micro-net"};
constexpr const char* kMicroEmulated[] = {"micro-block-emulated", "micro-net-emulated"};

// For the micro guest's PV drivers, us: its emulated ones look at their devices without end, too.
constexpr const char* kGuestPoll = "5000";

// Workloads of bench_block and bench_net with each of their options, for estimates only.
constexpr double kDirectWorkloads = 6;
constexpr double kMicroGuestBoot = 2;  // seconds

struct Source {
  const char* list;   // of rows, in the companion's JSON
  const char* ours;   // the figures' names in a row
  const char* peers;  // of the limit
  const char* unit;
};

// How a row is shown: rows of one panel have one unit.
struct Reading {
  std::string panel;  // beyond that of the source
  std::string title;
  std::string unit;
  std::string ours;
  std::string peers;
  double factor = 1;
};

Reading ReadingOf(const std::string& name, const Source& source) {
  Reading reading{"", name, source.unit, source.ours, source.peers};
  if (name.starts_with("256K sequential ")) {
    reading.panel = ", 256 KiB sequential";
    reading.title = name.substr(name.find(' ', name.find(' ') + 1) + 1);
    reading.unit = "MB/s";
    reading.factor = 256 * 1024 / 1e6;
  } else if (name.starts_with("4K random ")) {
    reading.panel = ", 4 KiB at random";
    reading.title = name.substr(name.find(' ', name.find(' ') + 1) + 1);
  } else if (name.starts_with("TCP frames")) {
    // Whether the host cuts them depends on what the NIC takes.
    reading.panel = ", TCP frames of up to 64 KiB";
    reading.title = name.substr(name.rfind(", ") + 2);
    reading.unit = "Gb/s";
    reading.ours = "gigabits_per_second";
    reading.peers = "plain_gigabits_per_second";
  }
  return reading;
}

// Rows of `json` are added to those of the same panel and title.
void AddRows(const nlohmann::json& json, const Source& source, const std::string& panel, Way ours,
             std::vector<Row>& rows) {
  if (!json.is_object() || !json.contains(source.list)) {
    return;
  }
  for (const nlohmann::json& entry : json[source.list]) {
    const std::string name = entry.value("name", "");
    Reading reading = ReadingOf(name, source);
    reading.panel = panel + reading.panel;
    const auto samples = [&](const std::string& key) {
      return Samples::FromJson(entry.value(key, nlohmann::json())).Times(reading.factor);
    };
    const Samples mine = samples(reading.ours);
    const Samples peers = samples(reading.peers);
    auto row = std::find_if(rows.begin(), rows.end(), [&](const Row& other) {
      return other.panel == reading.panel && other.title == reading.title;
    });
    if (row == rows.end()) {
      // After the others of its panel.
      const auto last = std::find_if(rows.rbegin(), rows.rend(), [&](const Row& other) {
        return other.panel == reading.panel;
      });
      row = rows.insert(last == rows.rend() ? rows.end() : last.base(),
                        Row{reading.panel, reading.title, reading.unit, {}});
    }
    if (mine.count() > 0) {
      row->values[ours] = mine;
    }
    // The first one stays: a PV run's limit, where an emulated run has one as well.
    if (peers.count() > 0) {
      row->values.emplace(Way::kLimit, peers);
    }
  }
}

constexpr Source kBlock{"workloads", "requests_per_second", "fio_requests_per_second",
                        "requests/s"};
constexpr Source kTap{"tap", "frames_per_second", "plain_frames_per_second", "frames/s"};
constexpr Source kUser{"workloads", "gigabits_per_second", "libslirp_gigabits_per_second", "Gb/s"};

}  // namespace

std::vector<Companion> Companions(const CompanionScale& scale) {
  const std::vector<std::string> disk{"--file", scale.file, "--size", std::to_string(scale.mib),
                                      "--only", "direct"};
  const auto with = [](std::vector<std::string> first, const std::vector<std::string>& more) {
    first.insert(first.end(), more.begin(), more.end());
    return first;
  };
  std::vector<Companion> all{
      {"micro", kMicroEmulated[0], "bench_block", with(disk, {"--micro-guest", "--emulated"})},
      {"micro", kMicroPv[0], "bench_block",
       with(disk, {"--micro-guest", "--guest-poll", kGuestPoll})},
      {"micro", kMicroEmulated[1], "bench_net", {"--micro-guest", "--emulated"}},
      {"micro", kMicroPv[1], "bench_net", {"--micro-guest", "--guest-poll", kGuestPoll}},
      {"back-ends", "block", "bench_block", disk},
      {"back-ends", "net", "bench_net", {}},
      {"back-ends", "user", "bench_net", {"--user"}}};
  for (Companion& companion : all) {
    companion.arguments = with(companion.arguments, {"--seconds", fmt::format("{}", scale.seconds),
                                                     "--rounds", std::to_string(scale.rounds)});
  }
  return all;
}

double CompanionSeconds(const Companion& companion, const CompanionScale& scale) {
  const double boot = companion.part == "micro" ? kMicroGuestBoot : 0;
  return kDirectWorkloads * scale.rounds * (2 * scale.seconds + boot);
}

std::vector<Row> CompanionRows(const Results& results) {
  std::vector<Row> rows;
  const auto add = [&](const char* name, const Source& source, const char* panel, Way way) {
    AddRows(results.Companion(name), source, panel, way, rows);
  };
  add(kMicroPv[1], kTap, "Micro guest: network", Way::kPv);
  add(kMicroEmulated[1], kTap, "Micro guest: network", Way::kEmulated);
  add(kMicroPv[0], kBlock, "Micro guest: disk", Way::kPv);
  add(kMicroEmulated[0], kBlock, "Micro guest: disk", Way::kEmulated);
  add("net", kTap, "Back-end alone: network", Way::kPv);
  add("user", kUser, "Back-end alone: user-mode network", Way::kPv);
  add("block", kBlock, "Back-end alone: disk", Way::kPv);
  return rows;
}

}  // namespace veneer::bench
