// The net back-end and the links below it, each beside what limits it in the same alternating run.
#include <CLI/App.hpp>
#include <nlohmann/json.hpp>

#include "bench/support/program.h"
#include "tap_bench.h"
#include "user_bench.h"
#include "veneer/vmm/base/log.h"

int main(int argc, char** argv) {
  using namespace veneer::bench;
  TapBenchOptions tap;
  UserBenchOptions user;
  bool user_mode = false;
  CLI::App app("Compares the net back-end over a tap with a plain process. Needs root.",
               "bench_net");
  app.add_option("--seconds", tap.seconds, "Length of one run")->capture_default_str();
  app.add_option("--rounds", tap.rounds, "Alternating rounds")->capture_default_str();
  app.add_option("--poll", tap.poll_us, "Longest polling of the back-end, us")
      ->capture_default_str();
  CLI::Option* const micro_guest = app.add_flag(
      "--micro-guest", tap.micro_guest,
      "Run the front-end in a guest's ring 3: with real kicks, upcalls and guest memory");
  app.add_flag("--emulated", tap.emulated,
               "With --micro-guest: an emulated e1000, whose driver looks at its rings, instead of "
               "a PV NIC")
      ->needs(micro_guest);
  app.add_flag("--front-sleeps", tap.front_sleeps,
               "The sending front-end, too, sleeps until an upcall instead of looking at its ring");
  app.add_option("--guest-poll", tap.guest_poll_us,
                 "How long the micro guest looks at its rings before waiting for an upcall, us")
      ->capture_default_str();
  app.add_option("--only", tap.only, "Workloads whose name contains this, such as '64 bytes'");
  app.add_flag("--user", user_mode,
               "Instead: a user-mode network, against libslirp driven directly. Needs no root")
      ->excludes(micro_guest);
  app.add_option("--mtu", user.mtu, "With --user: bytes")->capture_default_str();
  // Each run makes a tap, and nobody wants to hear its name.
  static_cast<void>(veneer::ConfigureLog(veneer::LogLevel::kWarning, ""));
  return RunProgram(app, argc, argv, [&](nlohmann::json& json) {
    user.seconds = tap.seconds;
    user.rounds = tap.rounds;
    return user_mode ? RunUserBench(user, json) : RunTapBench(tap, json);
  });
}
