#include "peer_run.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "src/bench/load/interface_address.h"
#include "src/bench/load/load_server.h"
#include "src/bench/load_console.h"
#include "veneer/vmm/base/clock.h"

namespace veneer::bench {
namespace {

constexpr const char* kHostAddress = "10.177.3.1";
constexpr const char* kGuestAddress = "10.177.3.2";

enum class Unit { kPerSecond, kMegabytes, kMegabits, kMicroseconds };

struct Load {
  const char* name;
  Unit unit;
  const char* operation;
  // As for veneer-load; {disk}, {server} and {ns} stand for this run's.
  const char* line;
};
constexpr Load kLoads[] = {
    {"disk, read 4 KiB at random, 1 under way", Unit::kPerSecond, "request",
     "disk {disk} read random 4096 1 {ns}"},
    {"disk, read 4 KiB at random, 16 under way", Unit::kPerSecond, "request",
     "disk {disk} read random 4096 16 {ns}"},
    {"disk, read 4 KiB at random, 32 under way", Unit::kPerSecond, "request",
     "disk {disk} read random 4096 32 {ns}"},
    {"disk, read 256 KiB, 4 under way", Unit::kMegabytes, "request",
     "disk {disk} read sequential 262144 4 {ns}"},
    {"disk, write 4 KiB at random, 1 under way", Unit::kPerSecond, "request",
     "disk {disk} write random 4096 1 {ns}"},
    {"disk, write 4 KiB at random, 16 under way", Unit::kPerSecond, "request",
     "disk {disk} write random 4096 16 {ns}"},
    {"disk, write 256 KiB, 4 under way", Unit::kMegabytes, "request",
     "disk {disk} write sequential 262144 4 {ns}"},
    {"net, TCP to the host", Unit::kMegabits, "write of 64 KiB", "net {server} s {ns}"},
    {"net, TCP from the host", Unit::kMegabits, "read", "net {server} r {ns}"},
    {"net, UDP of 64 bytes to the host", Unit::kPerSecond, "datagram", "net {server} d {ns}"},
    {"net, UDP of 64 bytes from the host", Unit::kPerSecond, "datagram", "net {server} D {ns}"},
    {"net, a byte and back", Unit::kMicroseconds, "turn", "net {server} e {ns}"},
    {"a byte through pipes to another process and back", Unit::kMicroseconds, "turn", "pipe {ns}"},
    {"a sleep of 200 us", Unit::kMicroseconds, "sleep", "timer {ns}"},
    {"a fresh page of memory written to", Unit::kMicroseconds, "page", "memory {ns}"},
};

const char* UnitName(Unit unit) {
  switch (unit) {
    case Unit::kPerSecond:
      return "per second";
    case Unit::kMegabytes:
      return "MB/s";
    case Unit::kMegabits:
      return "Mb/s";
    case Unit::kMicroseconds:
      break;
  }
  return "us";
}

double Figure(Unit unit, const LoadResult& result) {
  const auto ns = static_cast<double>(result.ns);
  switch (unit) {
    case Unit::kPerSecond:
      return static_cast<double>(result.operations) * 1e9 / ns;
    case Unit::kMegabytes:
      return static_cast<double>(result.bytes) * 1e3 / ns;
    case Unit::kMegabits:
      return static_cast<double>(result.bytes) * 8e3 / ns;
    case Unit::kMicroseconds:
      break;
  }
  return ns / 1e3 / static_cast<double>(std::max<std::uint64_t>(result.operations, 1));
}

void Replace(std::string& text, std::string_view what, const std::string& with) {
  if (const std::size_t at = text.find(what); at != std::string::npos) {
    text.replace(at, what.size(), with);
  }
}

class PeerRun {
 public:
  PeerRun(const PeerOptions& options, Interrupt& interrupt)
      : options_(options), interrupt_(interrupt) {
    rows_.push_back({"boot, the kernel's uptime at /init", "ms", "boot", true});
    rows_.push_back({"boot, start of the VMM to a program", "ms", "boot", true});
    for (const Load& load : kLoads) {
      if (Wanted(load)) {
        loads_.push_back(&load);
        rows_.push_back(
            {load.name, UnitName(load.unit), load.operation, load.unit == Unit::kMicroseconds});
      }
    }
  }

  Result<void> Begin() {
    VENEER_TRY_ASSIGN(server_, LoadServer::Start());
    Result<KvmExits> exits = KvmExits::Start();
    if (exits) {
      exits_.emplace(std::move(*exits));
    } else {
      fmt::print(stderr, "bench_peer: {}\n", exits.error().message);
    }
    return {};
  }

  Result<void> RunVmm(const Vmm& vmm) {
    const ExitCounts before = Exits();
    const std::uint64_t start = HostClock().MonotonicNs();
    VENEER_TRY_ASSIGN(const std::unique_ptr<LoadConsole> guest,
                      LoadConsole::Start(vmm.program, vmm.arguments, interrupt_));
    const std::uint64_t ready = HostClock().MonotonicNs();
    const ExitCounts boot = Exits() - before;
    VENEER_TRY_ASSIGN(const LoadResult init, guest->Ask("init"));
    if (init.ns == 0) {
      return HostError("the guest's log does not say when it started /init");
    }
    Add(rows_[0], vmm, static_cast<double>(init.ns) / 1e6, boot, 1, 0);
    Add(rows_[1], vmm, static_cast<double>(ready - start) / 1e6, boot, 1, 0);
    if (const std::string error = SetInterfaceAddress(options_.guest.tap, kHostAddress);
        !error.empty()) {
      return HostError("{}", error);
    }
    VENEER_TRY(guest->Ask(fmt::format("address {} {}", options_.guest.mac, kGuestAddress)));
    for (std::size_t i = 0; i < loads_.size(); ++i) {
      VENEER_TRY(Bear(*loads_[i], rows_[2 + i], vmm, *guest));
    }
    return {};
  }

  std::vector<PeerRow> Rows() && { return std::move(rows_); }

 private:
  bool Wanted(const Load& load) const {
    return options_.only.empty() ||
           std::any_of(options_.only.begin(), options_.only.end(), [&](const std::string& part) {
             return std::string_view(load.name).find(part) != std::string_view::npos;
           });
  }

  ExitCounts Exits() const { return exits_ ? exits_->Read() : ExitCounts{}; }

  Result<void> Bear(const Load& load, PeerRow& row, const Vmm& vmm, LoadConsole& guest) {
    std::string line = load.line;
    Replace(line, "{disk}", vmm.disk);
    Replace(line, "{server}", fmt::format("{} {}", kHostAddress, server_->port()));
    Replace(line, "{ns}", fmt::format("{:.0f}", options_.seconds * 1e9));
    VENEER_TRY_ASSIGN(const LoadResult irq_before, guest.Ask("interrupts"));
    const ExitCounts before = Exits();
    VENEER_TRY_ASSIGN(const LoadResult result,
                      guest.Ask(line, static_cast<unsigned>(options_.seconds) + 1));
    const ExitCounts exits = Exits() - before;
    VENEER_TRY_ASSIGN(const LoadResult irq_after, guest.Ask("interrupts"));
    Add(row, vmm, Figure(load.unit, result), exits,
        static_cast<double>(std::max<std::uint64_t>(result.operations, 1)),
        static_cast<double>(irq_after.operations - irq_before.operations));
    return {};
  }

  void Add(PeerRow& row, const Vmm& vmm, double figure, const ExitCounts& exits, double operations,
           double interrupts) {
    PeerFigures& figures = row.by_vmm[vmm.name];
    figures.figure.Add(figure);
    figures.interrupts.Add(interrupts / operations);
    if (exits_) {
      figures.exits.Add(static_cast<double>(exits.AllExits()) / operations);
      figures.userspace.Add(static_cast<double>(exits.AllToUserspace()) / operations);
      figures.last = exits;
    }
  }

  const PeerOptions& options_;
  Interrupt& interrupt_;
  std::vector<const Load*> loads_;
  std::vector<PeerRow> rows_;
  std::unique_ptr<LoadServer> server_;
  std::optional<KvmExits> exits_;
};

// How many times as good Veneer is. A flood may leave a guest with nothing.
std::string Multiple(const PeerRow& row, double ours, double theirs) {
  const double above = row.less_is_better ? theirs : ours;
  const double below = row.less_is_better ? ours : theirs;
  return below > 0 ? fmt::format("{:.2f} ×", above / below) : "-";
}

nlohmann::json ByReason(const std::map<std::uint64_t, std::uint64_t>& counts, bool names) {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [reason, count] : counts) {
    json[names ? ExitName(reason) : std::to_string(reason)] = count;
  }
  return json;
}

}  // namespace

Result<std::vector<PeerRow>> RunPeers(const PeerOptions& options, const std::vector<Vmm>& vmms,
                                      Interrupt& interrupt) {
  PeerRun run(options, interrupt);
  VENEER_TRY(run.Begin());
  for (unsigned round = 1; round <= options.rounds; ++round) {
    for (const Vmm& vmm : vmms) {
      fmt::print(stderr, "bench_peer: round {} of {}: {}\n", round, options.rounds, vmm.name);
      if (Result<void> done = run.RunVmm(vmm); !done) {
        return WithContext(std::move(done).error(), vmm.name);
      }
    }
  }
  return std::move(run).Rows();
}

void Print(const std::vector<PeerRow>& rows, const std::vector<Vmm>& vmms) {
  for (const PeerRow& row : rows) {
    fmt::print("{}, {}{}\n", row.load, row.unit, row.less_is_better ? " (less is better)" : "");
    const double ours = row.by_vmm.at(vmms.front().name).figure.Median();
    for (const Vmm& vmm : vmms) {
      const PeerFigures& figures = row.by_vmm.at(vmm.name);
      const double theirs = figures.figure.Median();
      fmt::print("  {:22} {:>32}", vmm.name, figures.figure.Text(theirs < 100 ? 2 : 0));
      fmt::print("{:>10}", &vmm == vmms.data() ? "" : Multiple(row, ours, theirs));
      if (figures.exits.count() > 0) {
        fmt::print("  per {}: {:.2f} exits, {:.3f} to userspace", row.operation,
                   figures.exits.Median(), figures.userspace.Median());
      }
      if (figures.interrupts.Median() > 0) {
        fmt::print(", {:.3f} interrupts", figures.interrupts.Median());
      }
      fmt::print("\n");
    }
  }
  fmt::print("×: how many times as good {} is\n", vmms.front().name);
}

nlohmann::json ToJson(const std::vector<PeerRow>& rows) {
  nlohmann::json json = nlohmann::json::array();
  for (const PeerRow& row : rows) {
    nlohmann::json by_vmm = nlohmann::json::object();
    for (const auto& [name, figures] : row.by_vmm) {
      nlohmann::json& one = by_vmm[name];
      one = {{"figure", figures.figure.ToJson()}, {"interrupts", figures.interrupts.ToJson()}};
      if (figures.exits.count() > 0) {
        one["exits"] = figures.exits.ToJson();
        one["to_userspace"] = figures.userspace.ToJson();
        one["exits_by_reason"] = ByReason(figures.last.exits, true);
        one["to_userspace_by_kvm_exit"] = ByReason(figures.last.to_userspace, false);
      }
    }
    json.push_back({{"load", row.load},
                    {"unit", row.unit},
                    {"operation", row.operation},
                    {"less_is_better", row.less_is_better},
                    {"vmms", by_vmm}});
  }
  return json;
}

}  // namespace veneer::bench
