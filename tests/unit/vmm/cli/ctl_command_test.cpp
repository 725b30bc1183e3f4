#include "src/vmm/cli/ctl_command.h"

#include <chrono>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../control/fake_guest.h"
#include "src/vmm/cli/exit_code.h"
#include "support/eventually.h"
#include "support/scratch_directory.h"
#include "veneer/vmm/base/log.h"
#include "veneer/vmm/control/control_server.h"

namespace veneer {
namespace {

using ::testing::HasSubstr;

CtlOptions Parse(const std::string& line) {
  CLI::App app;
  CtlOptions options;
  DeclareCtlOptions(app, options);
  app.parse(line);
  return options;
}

TEST(CtlOptions, AreANameACommandAndPerhapsASize) {
  EXPECT_EQ(Parse("web info").guest.name, "web");
  EXPECT_EQ(Parse("web info").command, "info");
  EXPECT_EQ(Parse("web balloon 128M").argument, "128M");
  EXPECT_EQ(Parse("web stop --socket /tmp/s --json").guest.socket, "/tmp/s");
  EXPECT_TRUE(Parse("web stop --socket /tmp/s --json").json);
  for (const char* line : {"", "web", "web dance", "web info 1 2"}) {
    EXPECT_THROW(Parse(line), CLI::ParseError) << line;
  }
}

TEST(CtlRequest, IsALineOfJson) {
  EXPECT_EQ(CtlRequest(Parse("web info")).value(), R"({"command":"info"})");
  EXPECT_EQ(CtlRequest(Parse("web info --debug")).value(), R"({"command":"info","debug":true})");
  EXPECT_EQ(CtlRequest(Parse("web metrics --prometheus")).value(),
            R"({"command":"metrics","prometheus":true})");
  EXPECT_EQ(CtlRequest(Parse("web balloon 1M")).value(),
            R"({"command":"balloon","bytes":1048576})");
}

TEST(CtlRequest, NamesADisksFileFromTheRoot) {
  const std::string here = std::filesystem::current_path();
  EXPECT_EQ(CtlRequest(Parse("web disk-add path=a.img,vdev=xvdc")).value(),
            R"({"command":"disk-add","disk":"path=)" + here + R"(/a.img,vdev=xvdc"})");
  EXPECT_EQ(CtlRequest(Parse("web disk-remove xvdb")).value(),
            R"({"command":"disk-remove","disk":"xvdb"})");
}

TEST(CtlRequest, NamesANicsFilesFromTheRoot) {
  const std::string here = std::filesystem::current_path();
  EXPECT_EQ(
      CtlRequest(Parse("web net-add user,hostfwd=tcp::80-:80,pcap=a.pcap")).value(),
      R"({"command":"net-add","net":"user,hostfwd=tcp::80-:80,pcap=)" + here + R"(/a.pcap"})");
  EXPECT_EQ(CtlRequest(Parse("web net-add socket=/run/passt")).value(),
            R"({"command":"net-add","net":"socket=/run/passt"})");
  EXPECT_EQ(CtlRequest(Parse("web net-remove 12")).value(), R"({"command":"net-remove","nic":12})");
}

TEST(CtlRequest, HasAnArgumentIfTheCommandNeedsOne) {
  for (const char* line :
       {"web balloon", "web balloon much", "web stop 1M", "web disk-add", "web disk-add file=x",
        "web info more", "web info --prometheus", "web metrics --debug", "web stop --debug",
        "web disk-remove", "web disk-resize", "web net-add", "web net-add nothing",
        "web net-remove", "web net-remove eth0", "web cpus two", "web net-remove 1x"}) {
    const auto request = CtlRequest(Parse(line));
    ASSERT_FALSE(request) << line;
    EXPECT_EQ(request.error().kind, ErrorKind::kUsage);
  }
}

TEST(CtlOutput, IsEmptyForWhatWasDone) {
  EXPECT_EQ(CtlOutput(Parse("web pause"), R"({"ok":true})").value(), "");
  EXPECT_EQ(CtlOutput(Parse("web pause --json"), R"({"ok":true})").value(), "{\"ok\":true}\n");
}

TEST(CtlOutput, IsTheMetricsThemselves) {
  EXPECT_EQ(CtlOutput(Parse("web metrics"), R"({"ok":true,"counters":{"exits.pio":3}})").value(),
            "{\n  \"counters\": {\n    \"exits.pio\": 3\n  }\n}\n");
  EXPECT_EQ(
      CtlOutput(Parse("web metrics --prometheus"), R"({"ok":true,"text":"a 1\nb 2\n"})").value(),
      "a 1\nb 2\n");
}

TEST(CtlOutput, TellsWhyItWasNotDone) {
  const auto output = CtlOutput(Parse("web pause --json"), R"({"ok":false,"error":"not now"})");
  ASSERT_FALSE(output);
  EXPECT_EQ(output.error().message, "not now");
}

TEST(CtlOutput, ShowsInformation) {
  const std::string text =
      CtlOutput(
          Parse("web info"),
          R"({"ok":true,"name":"web","state":"paused","vcpus":2,"vcpus_online":1,"vcpus_max":8,"memory":)"
          R"({"now":134217728,"target":67108864,"max":268435456},"xen":true,)"
          R"("transport":"KVM interception","events":"2-level, delivered by KVM",)"
          R"("uptime_seconds":61.25,"pid":42,"milestones":[{"name":"init","seconds":3.5}],)"
          R"("debug":["vCPU 0: halted"]})")
          .value();
  for (const char* part :
       {"name        web\n", "state       paused\n", "vCPUs       2 given, 1 online, 8 possible\n",
        "memory      128.0 MiB now, 64.0 MiB target, 256.0 MiB maximum\n", "Xen         on\n",
        "hypercalls  KVM interception\n", "events      2-level, delivered by KVM\n",
        "pid         42\n", "milestone   init after 3.5 s\n", "\nvCPU 0: halted\n"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST(CtlRequest, AsksForANumberOfVcpusOrHowManyThereAre) {
  EXPECT_EQ(CtlRequest(Parse("web cpus")).value(), R"({"command":"cpus"})");
  EXPECT_EQ(CtlRequest(Parse("web cpus 4")).value(), R"({"command":"cpus","vcpus":4})");
}

TEST(CtlOutput, ShowsVcpus) {
  EXPECT_EQ(
      CtlOutput(Parse("web cpus 4"), R"({"ok":true,"vcpus":4,"vcpus_online":2,"vcpus_max":8})")
          .value(),
      "4 given, 2 online, 8 possible\n");
}

TEST(CtlOutput, ShowsDisks) {
  const std::string text =
      CtlOutput(Parse("web info"),
                R"({"ok":true,"disks":[{"name":"xvda","path":"/a","bytes":1048576,"readonly":true,)"
                R"("connected":true,"removing":false},{"name":"xvdb","path":"/b","bytes":524288,)"
                R"("readonly":false,"connected":true,"removing":true}]})")
          .value();
  EXPECT_THAT(text, HasSubstr("disk        xvda 1.0 MiB, read-only, in use /a\n"));
  EXPECT_THAT(text, HasSubstr("disk        xvdb 0.5 MiB, being removed /b\n"));
  EXPECT_EQ(CtlOutput(Parse("web disk-add path=x"), R"({"ok":true,"disk":"xvdc"})").value(),
            "xvdc\n");
}

TEST(CtlOutput, ShowsNics) {
  const std::string text =
      CtlOutput(Parse("web info"),
                R"({"ok":true,"nics":[{"number":0,"mac":"52:54:00:12:34:56","link":"user",)"
                R"("connected":true,"removing":false},{"number":1,"mac":"52:54:00:12:34:57",)"
                R"("link":"tap0","connected":false,"removing":false}]})")
          .value();
  EXPECT_THAT(text, HasSubstr("NIC         0 52:54:00:12:34:56, in use user\n"));
  EXPECT_THAT(text, HasSubstr("NIC         1 52:54:00:12:34:57, not in use tap0\n"));
  EXPECT_EQ(CtlOutput(Parse("web net-add user"), R"({"ok":true,"nic":2})").value(), "2\n");
}

TEST(CtlOutput, IndentsXenstoreAsXenstoreLsDoes) {
  const std::string reply =
      R"({"ok":true,"truncated":false,"nodes":[{"path":"/local","value":""},)"
      R"({"path":"/local/domain","value":"\\x00 \\\"q\\\""},{"path":"/vm","value":""}]})";
  EXPECT_EQ(CtlOutput(Parse("web xenstore-ls"), reply).value(),
            "local = \"\"\n domain = \"\\x00 \\\"q\\\"\"\nvm = \"\"\n");
}

TEST(CtlOutput, SurvivesAnyAnswer) {
  for (const char* reply : {"", "[]", "7", "{", "{}", R"({"ok":1})", "\xff"}) {
    EXPECT_FALSE(CtlOutput(Parse("web info"), reply)) << reply;
  }
  for (const char* reply :
       {R"({"ok":true})", R"({"ok":true,"memory":7,"milestones":7,"nodes":7,"name":[]})",
        R"({"ok":true,"milestones":[7,null,{"name":3}],"nodes":[7,{},{"path":"","value":1}]})",
        R"({"ok":true,"memory":{"now":"x"},"nodes":{"a":{"path":"/"}},"vcpus":1e300})"}) {
    EXPECT_TRUE(CtlOutput(Parse("web info"), reply)) << reply;
    EXPECT_TRUE(CtlOutput(Parse("web xenstore-ls"), reply)) << reply;
  }
}

TEST(CtlCommand, SaysThatNobodyIsThere) {
  const test::ScratchDirectory scratch;
  CtlOptions options = Parse("web info");
  options.guest.socket = scratch.File("none.sock");
  ::testing::internal::CaptureStderr();
  ASSERT_TRUE(ConfigureLog(LogLevel::kInfo, ""));
  EXPECT_EQ(CtlCommand(options), static_cast<int>(ExitCode::kHostError));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("no guest 'web' is running"));
}

TEST(CtlCommand, RefusesANameThatIsAPath) {
  CtlOptions options = Parse("../web info");
  ::testing::internal::CaptureStderr();
  ASSERT_TRUE(ConfigureLog(LogLevel::kInfo, ""));
  EXPECT_EQ(CtlCommand(options), static_cast<int>(ExitCode::kUsage));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("'../web'"));
}

TEST(CtlCommand, FollowsEventsUntilTheGuestHasEnded) {
  const test::ScratchDirectory scratch;
  CtlOptions options = Parse("web events");
  options.guest.socket = scratch.File("guest.sock");
  auto socket = ControlSocket::Claim(options.guest.socket).value();
  test::FakeGuest guest;
  Metrics metrics;
  auto streams = std::make_unique<Streams>(metrics);
  const auto loop = EventLoop::Create().value();
  streams->Attach(*loop, nullptr, nullptr);
  auto server = ControlServer::Create(*socket, guest, *loop, {.streams = streams.get()}).value();
  streams->Record({"started"});
  ::testing::internal::CaptureStdout();
  int code = -1;
  std::thread ctl([&] { code = CtlCommand(options); });
  // The listener's first line goes with its answer, on this loop.
  loop->Post([&] { streams->Record({"paused"}); });
  std::thread watcher([&] {
    EXPECT_TRUE(veneer::testing::Eventually([&] {
      std::promise<std::size_t> clients;
      loop->Post([&] { clients.set_value(streams->clients()); });
      return clients.get_future().get() == 1;
    }));
    loop->Stop();
  });
  loop->Run();
  watcher.join();
  server.reset();
  streams->Detach();
  streams->Record({"ended"});
  streams->Finish(std::chrono::steady_clock::now() + std::chrono::seconds(30));
  socket.reset();
  streams.reset();
  ctl.join();
  const std::string text = ::testing::internal::GetCapturedStdout();
  EXPECT_EQ(code, static_cast<int>(ExitCode::kOk));
  EXPECT_THAT(text, HasSubstr(R"("event":"started")"));
  EXPECT_THAT(text, HasSubstr(R"("event":"paused")"));
  EXPECT_THAT(text, HasSubstr(R"("event":"ended")"));
}

}  // namespace
}  // namespace veneer
