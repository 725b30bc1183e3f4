#include "veneer/vmm/control/control_server.h"

#include <array>
#include <filesystem>
#include <future>
#include <memory>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "fake_guest.h"
#include "raw_client.h"
#include "src/vmm/control/protocol.h"
#include "support/scratch_directory.h"
#include "veneer/vmm/base/unix_socket.h"
#include "veneer/vmm/control/control_client.h"

namespace veneer::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;

constexpr char kOk[] = R"({"ok":true})";

class ControlServerTest : public ::testing::Test {
 protected:
  ~ControlServerTest() override { StopLoop(); }

  void Start(const ControlServer::Options& options = {}) {
    server_ = ControlServer::Create(*socket_, guest_, *loop_, options).value();
    thread_ = std::thread([this] { loop_->Run(); });
  }
  void StopLoop() {
    if (thread_.joinable()) {
      loop_->Stop();
      thread_.join();
    }
  }
  std::unique_ptr<ControlClient> Connect() {
    auto client = ControlClient::Connect(path_).value();
    EXPECT_NE(client, nullptr);
    return client;
  }
  static std::string Ask(ControlClient& client, const std::string& command) {
    return client.Ask(Json{{"command", command}}.dump(), kLimit).value_or("<no answer>");
  }
  std::string Ask(const std::string& command) { return Ask(*Connect(), command); }

  ScratchDirectory scratch_;
  const std::string path_ = scratch_.File("guest.sock");
  std::unique_ptr<ControlSocket> socket_ = ControlSocket::Claim(path_).value();
  FakeGuest guest_;
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create().value();
  std::unique_ptr<ControlServer> server_;
  std::thread thread_;
};

TEST_F(ControlServerTest, HandsEachCommandToTheGuest) {
  Start();
  const auto client = Connect();
  for (const char* command : {"shutdown", "reboot", "pause", "resume", "nmi", "stop"}) {
    EXPECT_EQ(Ask(*client, command), kOk) << command;
  }
  EXPECT_EQ(client->Ask(R"({"command":"sysrq","key":"s"})", kLimit).value(), kOk);
  EXPECT_EQ(client->Ask(R"({"command":"balloon","bytes":4096})", kLimit).value(), kOk);
  constexpr char kCpus[] = R"({"ok":true,"vcpus":1,"vcpus_online":1,"vcpus_max":1})";
  EXPECT_EQ(client->Ask(R"({"command":"cpus","vcpus":4})", kLimit).value(), kCpus);
  EXPECT_EQ(Ask(*client, "cpus"), kCpus);
  EXPECT_EQ(client->Ask(R"({"command":"disk-add","disk":"path=/a"})", kLimit).value(),
            R"({"ok":true,"disk":"xvdb"})");
  EXPECT_EQ(client->Ask(R"({"command":"disk-resize","disk":"xvdb"})", kLimit).value(), kOk);
  EXPECT_EQ(client->Ask(R"({"command":"disk-remove","disk":"xvdb"})", kLimit).value(), kOk);
  EXPECT_EQ(client->Ask(R"({"command":"net-add","net":"user"})", kLimit).value(),
            R"({"ok":true,"nic":3})");
  EXPECT_EQ(client->Ask(R"({"command":"net-remove","nic":3})", kLimit).value(), kOk);
  const Json info = Json::parse(Ask(*client, "info"));
  EXPECT_EQ(info["state"], "running");
  EXPECT_EQ(info["protocol"], 1);
  EXPECT_FALSE(info.contains("debug"));
  EXPECT_EQ(Json::parse(*client->Ask(R"({"command":"info","debug":true})", kLimit))["debug"][0],
            "vCPU 0: halted");
  EXPECT_TRUE(Json::parse(Ask(*client, "xenstore-ls"))["nodes"].is_array());
  EXPECT_EQ(Json::parse(Ask(*client, "metrics"))["counters"]["exits.pio"], 3);
  EXPECT_THAT(
      Json::parse(*client->Ask(R"({"command":"metrics","prometheus":true})", kLimit))["text"]
          .get<std::string>(),
      HasSubstr("veneer_vcpu_exits_total{guest=\"\",reason=\"pio\"} 3\n"));
  EXPECT_THAT(guest_.calls(),
              ElementsAre("shutdown", "reboot", "pause", "resume", "nmi", "stop", "sysrq s",
                          "balloon 4096", "cpus 4", "info", "info", "disk-add path=/a",
                          "disk-resize xvdb", "disk-remove xvdb", "net-add user", "net-remove 3",
                          "info", "inspect", "xenstore-ls", "metrics", "metrics", "info"));
}

TEST_F(ControlServerTest, ANicsNumberThatIsTooLargeIsNoOthers) {
  Start();
  const auto client = Connect();
  EXPECT_EQ(client->Ask(R"({"command":"net-remove","nic":4294967299})", kLimit).value(), kOk);
  EXPECT_THAT(guest_.calls(), ElementsAre("net-remove 4294967295"));
}

TEST_F(ControlServerTest, PassesTheGuestsRefusalsOn) {
  guest_.outcome = UsageError("not now");
  Start();
  for (const char* command : {"shutdown", "pause", "resume", "xenstore-ls"}) {
    EXPECT_EQ(Ask(command), R"({"ok":false,"error":"not now"})") << command;
  }
}

TEST_F(ControlServerTest, AnswersWhatItDoesNotUnderstandAndGoesOn) {
  Start();
  const auto client = Connect();
  for (const char* line : {"", "hello", "{}", R"({"command":"dance"})", "\x01\x02\xff"}) {
    EXPECT_THAT(client->Ask(line, kLimit).value(), HasSubstr(R"("ok":false)")) << line;
  }
  EXPECT_EQ(Ask(*client, "pause"), kOk);
  EXPECT_THAT(guest_.calls(), ElementsAre("pause"));
}

TEST_F(ControlServerTest, AnswersInTheOrderOfAsking) {
  Start();
  RawClient client(path_);
  client.Send(R"({"command":"pause"})"
              "\n"
              R"({"command":"balloon"})"
              "\n"
              R"({"command":"resume"})"
              "\n");
  client.EndInput();
  EXPECT_EQ(client.Rest(),
            "{\"ok\":true}\n"
            "{\"ok\":false,\"error\":\"\\\"balloon\\\" needs \\\"bytes\\\", a whole number\"}\n"
            "{\"ok\":true}\n");
  EXPECT_THAT(guest_.calls(), ElementsAre("pause", "resume"));
}

TEST_F(ControlServerTest, TakesARequestInPieces) {
  Start();
  RawClient client(path_);
  for (const char c : std::string_view("{\"command\":\"pause\"}\n")) {
    client.Send(std::string_view(&c, 1));
  }
  client.EndInput();
  EXPECT_EQ(client.Rest(), "{\"ok\":true}\n");
}

TEST_F(ControlServerTest, TakesRequestsUpToTheirLimit) {
  Start();
  const std::string request = R"({"command":"pause"})";
  RawClient longest(path_);
  longest.Send(request + std::string(kMaxRequest - request.size(), ' ') + "\n");
  longest.EndInput();
  EXPECT_EQ(longest.Rest(), "{\"ok\":true}\n");

  RawClient longer(path_);
  longer.Send(request + std::string(kMaxRequest - request.size() + 1, ' '));
  EXPECT_THAT(longer.Rest(), HasSubstr("at most 4096 bytes")) << "and the connection ends";

  RawClient flood(path_);
  flood.Flood(std::string(100'000, 'x'));
  EXPECT_THAT(flood.Rest(), HasSubstr("at most 4096 bytes"));
  EXPECT_THAT(guest_.calls(), ElementsAre("pause"));
}

TEST_F(ControlServerTest, DoesWhatAClientAskedThatHasLeft) {
  Start();
  RawClient client(path_);
  client.Send("{\"command\":\"pause\"}\n");
  client.Leave();
  guest_.WaitForCalls(1);
  EXPECT_EQ(Ask("resume"), kOk);
}

TEST_F(ControlServerTest, AnAnswerMayComeLater) {
  guest_.answers_at_once = false;
  Start();
  const auto client = Connect();
  auto answer = std::async(std::launch::async, [&] { return Ask(*client, "shutdown"); });
  guest_.WaitForCalls(1);
  EXPECT_EQ(Ask("pause"), kOk) << "others are served meanwhile";
  loop_->Post([this] { guest_.waiting(HostError("it does not listen")); });
  EXPECT_EQ(answer.get(), R"({"ok":false,"error":"it does not listen"})");
  EXPECT_EQ(Ask(*client, "resume"), kOk) << "the connection goes on";
}

TEST_F(ControlServerTest, RequestsBehindALateAnswerWaitForIt) {
  guest_.answers_at_once = false;
  Start();
  RawClient client(path_);
  client.Send("{\"command\":\"reboot\"}\n{\"command\":\"pause\"}\n");
  client.EndInput();
  guest_.WaitForCalls(1);
  EXPECT_EQ(Ask("info").substr(0, 10), R"({"ok":true)");
  EXPECT_THAT(guest_.calls(), ElementsAre("reboot", "info"));
  loop_->Post([this] { guest_.waiting({}); });
  EXPECT_EQ(client.Rest(), "{\"ok\":true}\n{\"ok\":true}\n");
  EXPECT_THAT(guest_.calls(), ElementsAre("reboot", "info", "pause"));
}

TEST_F(ControlServerTest, ALateAnswerMayFindItsClientGone) {
  guest_.answers_at_once = false;
  Start();
  RawClient client(path_);
  client.Send("{\"command\":\"shutdown\"}\n");
  guest_.WaitForCalls(1);
  client.Leave();
  EXPECT_EQ(Ask("pause"), kOk);
  loop_->Post([this] { guest_.waiting({}); });
  EXPECT_EQ(Ask("resume"), kOk);
}

TEST_F(ControlServerTest, ALateAnswerMayFindTheServerGone) {
  guest_.answers_at_once = false;
  Start();
  RawClient client(path_);
  client.Send("{\"command\":\"shutdown\"}\n");
  guest_.WaitForCalls(1);
  StopLoop();
  server_.reset();
  guest_.waiting({});
  EXPECT_EQ(client.Rest(), "");
}

TEST_F(ControlServerTest, AClientThatDoesNotReadHoldsUpNobody) {
  guest_.listing.nodes.push_back({"/big", std::string(8 << 20U, 'x')});
  Start();
  RawClient slow(path_);
  slow.Send("{\"command\":\"xenstore-ls\"}\n{\"command\":\"pause\"}\n");
  guest_.WaitForCalls(1);
  EXPECT_EQ(Ask("resume"), kOk);
  EXPECT_THAT(guest_.calls(), ElementsAre("xenstore-ls", "resume"))
      << "its next request waits for the reply to be taken";
  slow.EndInput();
  EXPECT_GT(slow.Rest().size(), 8U << 20U);
  EXPECT_THAT(guest_.calls(), ElementsAre("xenstore-ls", "resume", "pause"));
}

TEST_F(ControlServerTest, AClientThatNeverReadsIsDropped) {
  guest_.listing.nodes.push_back({"/big", std::string(8 << 20U, 'x')});
  Start({.max_clients = 16, .stall_ns = 1'000'000});
  RawClient stuck(path_);
  stuck.Send("{\"command\":\"xenstore-ls\"}\n");
  EXPECT_TRUE(stuck.WaitForHangUp());
  EXPECT_LT(stuck.Rest().size(), 8U << 20U);
  EXPECT_EQ(Ask("resume"), kOk);
}

TEST_F(ControlServerTest, TurnsAwayMoreClientsThanItTakes) {
  Start({.max_clients = 2, .stall_ns = 1'000'000'000});
  const auto first = Connect();
  const auto second = Connect();
  EXPECT_EQ(Ask(*first, "pause"), kOk);
  EXPECT_EQ(Ask(*second, "resume"), kOk);
  EXPECT_THAT(Ask("stop"), HasSubstr("too many clients"));
  EXPECT_THAT(guest_.calls(), ElementsAre("pause", "resume"));
}

TEST_F(ControlServerTest, WhoStoppedTheGuestCanWaitForItsName) {
  Start();
  const auto stopper = Connect();
  const auto other = Connect();
  EXPECT_EQ(Ask(*other, "pause"), kOk);
  EXPECT_EQ(Ask(*stopper, "stop"), kOk);
  StopLoop();
  server_.reset();
  EXPECT_TRUE(other->WaitForEnd(kLimit));
  EXPECT_FALSE(stopper->WaitForEnd(std::chrono::milliseconds(0)));
  socket_.reset();
  EXPECT_TRUE(stopper->WaitForEnd(kLimit));
  EXPECT_NE(ControlSocket::Claim(path_).value(), nullptr);
}

TEST_F(ControlServerTest, ASocketServesOneServerAfterTheOther) {
  Start();
  EXPECT_EQ(Ask("pause"), kOk);
  StopLoop();
  server_.reset();
  // The guest restarts: what comes meanwhile waits.
  RawClient early(path_);
  early.Send("{\"command\":\"resume\"}\n");
  early.EndInput();
  loop_ = EventLoop::Create().value();
  Start();
  EXPECT_EQ(early.Rest(), "{\"ok\":true}\n");
}

TEST_F(ControlServerTest, ClientsNoticeAServerThatSaysNothing) {
  const auto client = Connect();  // in the backlog: nobody serves
  const auto answer = client->Ask("{}", std::chrono::milliseconds(1));
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message, HasSubstr("no answer"));
  socket_.reset();
  const auto end = client->Ask("{}", kLimit);
  ASSERT_FALSE(end);
  EXPECT_THAT(end.error().message, HasSubstr("ended before the answer"));
}

}  // namespace
}  // namespace veneer::test
