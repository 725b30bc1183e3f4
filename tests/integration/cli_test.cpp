// What the program says to users who give it something wrong, and what `check` finds here.
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "integration/environment.h"
#include "support/child_process.h"

namespace veneer::test {
namespace {

using ::testing::HasSubstr;

constexpr std::chrono::seconds kLimit{60};

struct Outcome {
  int code;
  std::string out;
  std::string err;
};

Outcome RunVeneer(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), Veneer());
  ChildProcess process(arguments);
  process.CloseInput();
  const int code = process.WaitForExit(kLimit);
  return {code, process.out(), process.err()};
}

void WriteFile(const std::string& path, const std::string& content) {
  std::ofstream(path) << content;
}

TEST(Cli, VersionAndHelp) {
  EXPECT_THAT(RunVeneer({"version"}).out, HasSubstr("veneer 0."));
  const Outcome help = RunVeneer({"run", "--help"});
  EXPECT_EQ(help.code, 0);
  for (const char* option : {"--kernel", "--initrd", "--memory", "--cpus", "--serial",
                             "--on-reboot", "--timeout", "--metrics", "--config", "Exit codes"}) {
    EXPECT_THAT(help.out, HasSubstr(option));
  }
}

TEST(Cli, UnknownOptionIsNamed) {
  const Outcome outcome = RunVeneer({"run", "--kernel", "x", "--colour", "blue"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("--colour"));
}

TEST(Cli, BenchSaysHowToGetItsGuest) {
  const Outcome outcome = RunVeneer({"bench", "--kernel", "/nonexistent/kernel"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("--kernel: there is no file '/nonexistent/kernel'"));
  EXPECT_THAT(outcome.err, HasSubstr("guests/bench"));
  EXPECT_EQ(RunVeneer({"bench", "--part", "sound"}).code, 2);
}

TEST(Cli, MissingKernelOptionIsNamed) {
  const Outcome outcome = RunVeneer({"run"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("--kernel"));
}

TEST(Cli, BadNumbersAreRefusedWithTheirLimits) {
  for (const char* cpus : {"0", "1000", "-1", "two", "4x", ""}) {
    const Outcome outcome = RunVeneer({"run", "--kernel", "x", std::string("--cpus=") + cpus});
    EXPECT_EQ(outcome.code, 2) << cpus;
    EXPECT_THAT(outcome.err, HasSubstr("--cpus")) << cpus;
  }
  for (const char* memory : {"0", "16M", "1X", "lots", "99999999999999999999G", "900000T", "-5M"}) {
    const Outcome outcome = RunVeneer({"run", "--kernel", "x", std::string("--memory=") + memory});
    EXPECT_EQ(outcome.code, 2) << memory;
    EXPECT_THAT(outcome.err, HasSubstr("--memory")) << memory;
  }
  for (const char* seconds : {"-1", "1.5", "soon", "31536001", "99999999999999999999"}) {
    const std::string option = std::string("--timeout=") + seconds;
    for (const Outcome& outcome :
         {RunVeneer({"run", "--kernel", "x", option}), RunVeneer({"wait", "nobody", option})}) {
      EXPECT_EQ(outcome.code, 2) << seconds;
      EXPECT_THAT(outcome.err, HasSubstr("is not a number of seconds")) << seconds;
    }
  }
}

TEST(Cli, OutputThatCannotBeWrittenIsAnError) {
  for (const char* command : {"list", "list --json", "check", "version", "run --help"}) {
    ChildProcess process({"/bin/sh", "-c", Veneer() + " " + command + " >/dev/full"});
    process.CloseInput();
    EXPECT_EQ(process.WaitForExit(kLimit), 1) << command;
    EXPECT_THAT(process.err(), HasSubstr("No space left on device")) << command;
  }
}

TEST(Cli, MissingOrWrongKernelFilesAreNamed) {
  const ScratchDirectory scratch;
  const std::string missing = scratch.File("no-such-kernel");
  Outcome outcome = RunVeneer({"run", "--kernel", missing});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr(missing));

  const std::string empty = scratch.File("empty");
  WriteFile(empty, "");
  outcome = RunVeneer({"run", "--kernel", empty});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr(empty));

  const std::string text = scratch.File("text");
  WriteFile(text, std::string(100'000, 'x'));
  outcome = RunVeneer({"run", "--kernel", text});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr(text));
}

TEST(Cli, TruncatedKernelAndMissingOrHugeInitrd) {
  const ScratchDirectory scratch;
  const std::string kernel = Needed("VENEER_TEST_KERNEL");
  std::ifstream input(kernel, std::ios::binary);
  std::string image((std::istreambuf_iterator<char>(input)), {});
  ASSERT_GT(image.size(), 1'000'000U);
  const std::string truncated = scratch.File("truncated");
  WriteFile(truncated, image.substr(0, image.size() / 2));
  Outcome outcome = RunVeneer({"run", "--kernel", truncated});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr(truncated));

  outcome = RunVeneer({"run", "--kernel", kernel, "--initrd", scratch.File("nothing")});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("nothing"));

  const std::string huge = scratch.File("huge");
  WriteFile(huge, "x");
  std::filesystem::resize_file(huge, std::uintmax_t{1} << 32U);  // sparse
  outcome = RunVeneer({"run", "--kernel", kernel, "--initrd", huge, "--memory", "128M"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr(huge));
}

TEST(Cli, ConfigurationFileIsRead) {
  const ScratchDirectory scratch;
  const std::string config = scratch.File("guest.toml");
  WriteFile(config, "kernel=\"/no/such/kernel\"\nmemory=\"64M\"\n");
  Outcome outcome = RunVeneer({"run", "--config", config});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("/no/such/kernel"));

  WriteFile(config, "kernel=\"/no/such/kernel\"\nmemory=\"64Q\"\n");
  outcome = RunVeneer({"run", "--config", config});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("64Q"));

  WriteFile(config, "kernel=\"/no/such/kernel\"\nmemroy=\"64M\"\n");
  outcome = RunVeneer({"run", "--config", config});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("memroy"));

  outcome = RunVeneer({"run", "--config", scratch.File("absent.toml")});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("absent.toml"));
}

TEST(Cli, UnwritableFilesAreHostErrors) {
  const Outcome outcome = RunVeneer({"run", "--kernel", Needed("VENEER_TEST_KERNEL"), "--serial",
                                     "file:/no/such/directory/serial"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("/no/such/directory/serial"));
}

TEST(Cli, TimeoutHasAnExitCodeOfItsOwn) {
  const Outcome outcome = RunVeneer(
      {"run", "--kernel", Needed("VENEER_TEST_KERNEL"), "--serial", "off", "--timeout", "2"});
  EXPECT_EQ(outcome.code, 5);
  EXPECT_THAT(outcome.err, HasSubstr("time limit"));
}

TEST(Cli, CheckDescribesThisHost) {
  const Outcome table = RunVeneer({"check"});
  EXPECT_EQ(table.code, 0) << table.err;
  EXPECT_THAT(table.out, HasSubstr("KVM API"));
  EXPECT_THAT(table.out, HasSubstr("Guest kernel speed"));

  const Outcome json = RunVeneer({"check", "--json"});
  EXPECT_EQ(json.code, 0);
  const auto parsed = nlohmann::json::parse(json.out);
  EXPECT_TRUE(parsed["usable"]);
  EXPECT_GT(parsed["kernel_instructions_per_second"], 0);
  EXPECT_EQ(parsed["facts"]["kvm.api_version"]["finding"], "12");
  // The promise that the probe is quick is about milliseconds; this only catches a hang.
  EXPECT_GT(parsed["probe_milliseconds"], 0);
}

}  // namespace
}  // namespace veneer::test
