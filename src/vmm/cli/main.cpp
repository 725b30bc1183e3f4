// The `veneer` program: command line in, exit code out.
#include <cstdio>
#include <string>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "check_command.h"
#include "ctl_command.h"
#include "exit_code.h"
#include "run_command.h"
#include "run_options.h"

namespace {

int Main(int argc, char** argv) {
  CLI::App app{
      "Veneer runs unmodified Linux guests on KVM and shows them a Xen-compatible machine.",
      "veneer"};
  app.require_subcommand(1);

  veneer::RunOptions run_options;
  CLI::App* run = app.add_subcommand("run", "Boot a guest");
  veneer::DeclareRunOptions(*run, run_options);

  veneer::CtlOptions ctl_options;
  CLI::App* ctl = app.add_subcommand("ctl", "Control a guest that runs");
  veneer::DeclareCtlOptions(*ctl, ctl_options);

  bool json = false;
  CLI::App* check =
      app.add_subcommand("check", "Say what this host can do, and what follows from it");
  check->add_flag("--json", json, "Write JSON instead of a table");

  CLI::App* version = app.add_subcommand("version", "Print the version");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
      return app.exit(error);  // --help
    }
    static_cast<void>(std::fprintf(stderr, "veneer: %s\nTry 'veneer %s --help'.\n", error.what(),
                                   ctl->parsed() ? "ctl" : "run"));
    return static_cast<int>(veneer::ExitCode::kUsage);
  }
  if (run->parsed()) {
    return veneer::RunCommand(run_options);
  }
  if (ctl->parsed()) {
    return veneer::CtlCommand(ctl_options);
  }
  if (check->parsed()) {
    return veneer::CheckCommand(json);
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
