// The net back-end and the links below it, beside what limits them.
#include <cstdio>
#include <fstream>
#include <string>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "tap_bench.h"
#include "veneer/base/log.h"

int main(int argc, char** argv) {
  using namespace veneer::bench;
  TapBenchOptions options;
  std::string json_path;
  CLI::App app("Compares the net back-end over a tap with a plain process. Needs root.");
  app.add_option("--seconds", options.seconds, "Length of one run")->capture_default_str();
  app.add_option("--rounds", options.rounds, "Alternating rounds")->capture_default_str();
  app.add_option("--poll", options.poll_us, "Longest polling of the back-end, us")
      ->capture_default_str();
  app.add_flag("--micro-guest", options.micro_guest,
               "Run the front-end in a guest's ring 3: with real kicks, upcalls and guest memory");
  app.add_option("--only", options.only, "Workloads whose name contains this, such as '64 bytes'");
  app.add_option("--json", json_path, "Write all figures to this file");
  CLI11_PARSE(app, argc, argv);

  // Each run makes a tap, and nobody wants to hear its name.
  static_cast<void>(veneer::ConfigureLog(veneer::LogLevel::kWarning, ""));
  nlohmann::json json;
  if (const veneer::Result<void> done = RunTapBench(options, json); !done) {
    fmt::print(stderr, "bench_net: {}\n", done.error().message);
    return 1;
  }
  if (!json_path.empty()) {
    std::ofstream(json_path) << json.dump(1) << '\n';
  }
  return 0;
}
