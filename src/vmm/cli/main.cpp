// The `veneer` program: command line in, exit code out.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/core.h>

#include "bench_command.h"
#include "check_command.h"
#include "console_command.h"
#include "ctl_command.h"
#include "exit_code.h"
#include "file_limit.h"
#include "list_command.h"
#include "machine_summary.h"
#include "parsed_option.h"
#include "run_command.h"
#include "run_options.h"
#include "standard_streams.h"
#include "usage_text.h"

namespace {

// `command`: what to ask for help, such as "veneer run".
int UsageFailure(const std::string& what, const char* command) {
  fmt::print(stderr, "veneer: {}\nTry '{} --help'.\n", what, command);
  return static_cast<int>(veneer::ExitCode::kUsage);
}

constexpr char kFirstRun[] =
    "veneer: 'veneer run' needs something to boot: a disk image, or a kernel. For example:\n"
    "  veneer run disk.img --memory 1G\n"
    "  veneer run --kernel /boot/vmlinuz-$(uname -r) --initrd /boot/initrd.img-$(uname -r) \\\n"
    "             --memory 1G --cmdline console=ttyS0\n"
    "'veneer check' says what this host can do, 'veneer run --help' lists the options.\n";

// By itself, because its errors and its help are about it alone.
int Run(int argc, char** argv) {
  if (argc == 1) {
    static_cast<void>(std::fputs(kFirstRun, stderr));
    return static_cast<int>(veneer::ExitCode::kUsage);
  }
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
  if (options.dry_run) {
    static_cast<void>(std::fputs(veneer::MachineSummary(options).c_str(), stdout));
    return static_cast<int>(veneer::ExitCode::kOk);
  }
  veneer::RaiseFileLimit();
  return veneer::RunCommand(options);
}

int Main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "run") {
    return Run(argc - 1, argv + 1);
  }
  CLI::App app{
      "Veneer runs unmodified Linux guests on KVM and shows them a Xen-compatible machine.",
      "veneer"};
  app.set_version_flag("--version", std::string("veneer ") + VENEER_VERSION, "Print the version");
  app.require_subcommand(1);

  app.add_subcommand("run", "Boot a guest");

  veneer::CtlOptions ctl_options;
  CLI::App* ctl = app.add_subcommand("ctl", "Control a guest that runs");
  veneer::DeclareCtlOptions(*ctl, ctl_options);

  veneer::ConsoleOptions console_options;
  CLI::App* console = app.add_subcommand("console", "Attach to the console of a guest that runs");
  veneer::DeclareConsoleOptions(*console, console_options);

  bool list_json = false;
  CLI::App* list = app.add_subcommand(
      "list", "List your guests that run (those at the usual place for control sockets)");
  list->add_flag("--json", list_json, "Write JSON instead of a table");

  veneer::WaitOptions wait_options;
  CLI::App* wait = app.add_subcommand("wait", "Wait until a guest has ended");
  wait->add_option("name", wait_options.guest.name, "The guest's name (run --name)")->required();
  wait->add_option("--socket", wait_options.guest.socket,
                   "The guest's control socket (run --control-socket)")
      ->type_name("PATH");
  veneer::AddParsed<unsigned>(
      *wait, "--timeout", wait_options.timeout_seconds, veneer::ParseSeconds,
      "Give up after this many seconds (exit code 5); 0: never", "SECONDS", "0");

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
  if (argc == 1) {
    static_cast<void>(std::fputs(app.help().c_str(), stderr));
    return static_cast<int>(veneer::ExitCode::kUsage);
  }
  if (argv[1][0] != '-' && app.get_subcommands(is_named).empty()) {
    return UsageFailure(fmt::format("there is no command '{}'", argv[1]), "veneer");
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
      return app.exit(error);  // --help
    }
    return UsageFailure(veneer::UsageText(app, error), ctl->parsed()       ? "veneer ctl"
                                                       : console->parsed() ? "veneer console"
                                                       : bench->parsed()   ? "veneer bench"
                                                                           : "veneer");
  }
  if (ctl->parsed()) {
    return veneer::CtlCommand(ctl_options);
  }
  if (console->parsed()) {
    return veneer::ConsoleCommand(console_options);
  }
  if (list->parsed()) {
    return veneer::ListCommand(list_json);
  }
  if (wait->parsed()) {
    return veneer::WaitCommand(wait_options);
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

// What was printed has to have arrived: a script that reads a cut list must not take it for whole.
int WithOutputWritten(int code) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) {
    return code;
  }
  fmt::print(stderr, "veneer: standard output cannot be written: {}\n", std::strerror(errno));
  return code == 0 ? static_cast<int>(veneer::ExitCode::kHostError) : code;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (const auto open = veneer::OpenMissingStandardStreams(); !open) {
      return static_cast<int>(veneer::ExitCode::kHostError);  // and nowhere to say it
    }
    return WithOutputWritten(Main(argc, argv));
  } catch (const std::exception& error) {
    static_cast<void>(std::fprintf(stderr, "veneer: %s\n", error.what()));
    return static_cast<int>(veneer::ExitCode::kHostError);
  }
}
