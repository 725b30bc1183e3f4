#include "kvm_exits.h"

#include <unistd.h>

#include <array>
#include <fstream>
#include <sstream>
#include <utility>

#include <fmt/core.h>

namespace veneer::bench {
namespace {

using Counts = std::map<std::uint64_t, std::uint64_t>;

struct Event {
  const char* name;
  const char* key;
};
constexpr Event kExit{"kvm_exit", "exit_reason"};
constexpr Event kUserspaceExit{"kvm_userspace_exit", "reason"};

Result<void> Trigger(const std::string& folder, const Event& event, const char* sign) {
  std::ofstream file(fmt::format("{}/{}/trigger", folder, event.name));
  file << fmt::format("{}hist:keys={}\n", sign, event.key);
  if (!file.flush()) {
    return HostError("cannot count {} in {}", event.name, folder);
  }
  return {};
}

// Lines "{ exit_reason:       1024 } hitcount:      12345".
Counts ReadHistogram(const std::string& folder, const Event& event) {
  Counts counts;
  std::ifstream file(fmt::format("{}/{}/hist", folder, event.name));
  for (std::string line; std::getline(file, line);) {
    const std::size_t key = line.find(':');
    const std::size_t count = line.find("hitcount:");
    if (line.starts_with("{") && count != std::string::npos) {
      counts[std::stoull(line.substr(key + 1))] = std::stoull(line.substr(count + 9));
    }
  }
  return counts;
}

std::uint64_t Sum(const Counts& counts) {
  std::uint64_t sum = 0;
  for (const auto& [reason, count] : counts) {
    sum += count;
  }
  return sum;
}

Counts Difference(const Counts& after, const Counts& before) {
  Counts difference;
  for (const auto& [reason, count] : after) {
    const auto old = before.find(reason);
    if (const std::uint64_t more = count - (old == before.end() ? 0 : old->second); more > 0) {
      difference[reason] = more;
    }
  }
  return difference;
}

}  // namespace

std::uint64_t ExitCounts::AllExits() const { return Sum(exits); }
std::uint64_t ExitCounts::AllToUserspace() const { return Sum(to_userspace); }

ExitCounts operator-(const ExitCounts& after, const ExitCounts& before) {
  return {Difference(after.exits, before.exits),
          Difference(after.to_userspace, before.to_userspace)};
}

Result<KvmExits> KvmExits::Start() {
  const std::string folder = "/sys/kernel/tracing/events/kvm";
  if (access(folder.c_str(), W_OK) != 0) {
    return HostError("exits are not counted: {} is not there or not for this user", folder);
  }
  VENEER_TRY(Trigger(folder, kExit, ""));
  VENEER_TRY(Trigger(folder, kUserspaceExit, ""));
  return KvmExits(folder);
}

KvmExits::~KvmExits() {
  if (!folder_.empty()) {
    static_cast<void>(Trigger(folder_, kExit, "!"));
    static_cast<void>(Trigger(folder_, kUserspaceExit, "!"));
  }
}

ExitCounts KvmExits::Read() const {
  return {ReadHistogram(folder_, kExit), ReadHistogram(folder_, kUserspaceExit)};
}

std::string ExitName(std::uint64_t code) {
  struct Name {
    std::uint64_t code;
    const char* name;
  };
  // Of SVM, AMD's manual, volume 2, appendix C: what PV guests leave by.
  static constexpr std::array kNames{
      Name{0x60, "interrupt"},
      Name{0x64, "interrupt window"},
      Name{0x72, "CPUID"},
      Name{0x77, "PAUSE"},
      Name{0x78, "HLT"},
      Name{0x7b, "I/O"},
      Name{0x7c, "MSR"},
      Name{0x81, "VMMCALL"},
      Name{0x400, "nested page fault"},
  };
  for (const Name& entry : kNames) {
    if (entry.code == code && access("/sys/module/kvm_amd", F_OK) == 0) {
      return entry.name;
    }
  }
  return fmt::format("{:#x}", code);
}

}  // namespace veneer::bench
