// The `veneer` program: command line in, exit code out.
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/core.h>

#include "bench_command.h"
#include "check_command.h"
#include "ctl_command.h"
#include "exit_code.h"
#include "run_command.h"
#include "run_options.h"
#include "usage_text.h"

namespace {

// `command`: what to ask for help, such as "veneer run".
int UsageFailure(const std::string& what, const char* command) {
  fmt::print(stderr, "veneer: {}\nTry '{} --help'.\n", what, command);
  return static_cast<int>(veneer::ExitCode::kUsage);
}

// By itself, because CLI11 reads a configuration file for a program but not for a subcommand.
int Run(int argc, char** argv) {
  CLI::App run{"Boot a guest", "veneer run"};
  veneer::RunOptions options;
  veneer::DeclareRunOptions(run, options);
  try {
    run.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
      return run.exit(error);  // --help
    }
    return UsageFailure(veneer::UsageText(run, error), "veneer run");
  }
  return veneer::RunCommand(options);
}

int Main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "run") {
    return Run(argc - 1, argv + 1);
  }
  CLI::App app{
      "Veneer runs unmodified Linux guests on KVM and shows them a Xen-compatible machine.",
      "veneer"};
  app.require_subcommand(1);

  app.add_subcommand("run", "Boot a guest");

  veneer::CtlOptions ctl_options;
  CLI::App* ctl = app.add_subcommand("ctl", "Control a guest that runs");
  veneer::DeclareCtlOptions(*ctl, ctl_options);

  bool json = false;
  CLI::App* check =
      app.add_subcommand("check", "Say what this host can do, and what follows from it");
  check->add_flag("--json", json, "Write JSON instead of a table");

  veneer::bench::BenchOptions bench_options;
  CLI::App* bench =
      app.add_subcommand("bench", "Measure emulated devices, PV devices and the host");
  veneer::DeclareBenchOptions(*bench, bench_options);

  CLI::App* version = app.add_subcommand("version", "Print the version");

  const auto is_named = [&](const CLI::App* command) { return command->get_name() == argv[1]; };
  if (argc > 1 && argv[1][0] != '-' && app.get_subcommands(is_named).empty()) {
    return UsageFailure(fmt::format("there is no command '{}'", argv[1]), "veneer");
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
      return app.exit(error);  // --help
    }
    return UsageFailure(veneer::UsageText(app, error), ctl->parsed()     ? "veneer ctl"
                                                       : bench->parsed() ? "veneer bench"
                                                                         : "veneer");
  }
  if (ctl->parsed()) {
    return veneer::CtlCommand(ctl_options);
  }
  if (check->parsed()) {
    return veneer::CheckCommand(json);
  }
  if (bench->parsed()) {
    return veneer::BenchCommand(std::move(bench_options));
  }
  if (version->parsed()) {
    static_cast<void>(std::printf("veneer %s\n", VENEER_VERSION));
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Main(argc, argv);
  } catch (const std::exception& error) {
    static_cast<void>(std::fprintf(stderr, "veneer: %s\n", error.what()));
    return static_cast<int>(veneer::ExitCode::kHostError);
  }
}
