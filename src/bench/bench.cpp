#include "veneer/bench/bench.h"

#include <algorithm>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "bench_run.h"
#include "own_network.h"

namespace veneer::bench {
namespace {

Result<void> CheckFile(const std::string& path, const char* option) {
  if (std::filesystem::is_regular_file(path)) {
    return {};
  }
  return UsageError(
      "{}: there is no file '{}'; a clone's guests/bench builds a guest and measures with it",
      option, path);
}

// Figures are comparable if all of this is the same.
nlohmann::ordered_json Settings(const BenchOptions& options) {
  return {{"quick", options.quick},
          {"kernel", std::filesystem::path(options.kernel).filename()},
          {"kernel_bytes", std::filesystem::file_size(options.kernel)},
          {"memory", options.memory},
          {"cpus", options.cpus},
          {"disk_mib", options.disk_mib}};
}

}  // namespace

bool BenchOptions::Wants(std::string_view part) const {
  return parts.empty() || std::find(parts.begin(), parts.end(), part) != parts.end();
}

std::filesystem::path ProgramFolder() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
}

Result<void> CheckGuest(const BenchOptions& options) {
  VENEER_TRY(CheckFile(options.kernel, "--kernel"));
  return CheckFile(options.initrd, "--initrd");
}

Result<void> RunBench(const BenchOptions& options) {
  std::error_code error;
  std::filesystem::create_directories(options.folder, error);
  if (error) {
    return UsageError("--output: cannot make the folder '{}': {}", options.folder, error.message());
  }
  VENEER_TRY_ASSIGN(Results results,
                    Results::Open(options.folder, Settings(options), options.fresh));
  VENEER_TRY_ASSIGN(Interrupt interrupt, Interrupt::Catch());
  if (options.Wants("net") || options.Wants("micro") || options.Wants("back-ends")) {
    if (const Result<void> entered = EnterOwnNetwork(); !entered) {
      return HostError("{}; '--part disk' does without", entered.error().message);
    }
  }
  return BenchRun(options, std::move(interrupt), std::move(results)).Run();
}

}  // namespace veneer::bench
