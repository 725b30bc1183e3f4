#include "veneer/vmm/control/streams.h"

#include <algorithm>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_guest.h"
#include "raw_client.h"
#include "support/eventually.h"
#include "support/scratch_directory.h"
#include "veneer/vmm/control/control_server.h"

namespace veneer::test {
namespace {

using ::testing::HasSubstr;
using veneer::testing::Eventually;

constexpr char kWriter[] = R"({"ok":true,"console":"serial","writes":true})"
                           "\n";
constexpr char kReader[] = R"({"ok":true,"console":"serial","writes":false})"
                           "\n";

// A port of the guest's that takes `room` more bytes.
class Port {
 public:
  std::size_t Take(std::span<const std::byte> text) {
    const std::scoped_lock lock(mutex_);
    const std::size_t taken = std::min(text.size(), room_);
    for (const std::byte byte : text.first(taken)) {
      received_ += static_cast<char>(byte);
    }
    room_ -= taken;
    return taken;
  }
  void SetRoom(std::size_t bytes) {
    const std::scoped_lock lock(mutex_);
    room_ = bytes;
  }
  std::string received() const {
    const std::scoped_lock lock(mutex_);
    return received_;
  }

 private:
  mutable std::mutex mutex_;
  std::size_t room_ = 1'000'000;
  std::string received_;
};

class StreamsTest : public ::testing::Test {
 protected:
  ~StreamsTest() override { EndLife(); }

  void Start(const Streams::Options& options = {}, bool pv_console = true) {
    streams_ = std::make_unique<Streams>(metrics_, options);
    pv_console_ = pv_console;
    BeginLife();
  }
  void BeginLife() {
    loop_ = EventLoop::Create().value();
    Streams::Sink pv;
    if (pv_console_) {
      pv = [this](std::span<const std::byte> text) { return pv_.Take(text); };
    }
    streams_->Attach(
        *loop_, [this](std::span<const std::byte> text) { return serial_.Take(text); }, pv);
    server_ = ControlServer::Create(*socket_, guest_, *loop_, {.streams = streams_.get()}).value();
    thread_ = std::thread([this] { loop_->Run(); });
  }
  void EndLife() {
    if (thread_.joinable()) {
      loop_->Stop();
      thread_.join();
      server_.reset();
      streams_->Detach();
      loop_.reset();
    }
  }
  // The guest prints.
  void Print(std::string_view text, StreamedConsole console = StreamedConsole::kSerial) {
    if (streams_->Append(console, std::as_bytes(std::span(text))) && loop_ != nullptr) {
      loop_->Post([this] { streams_->Serve(); });
    }
  }
  void OnLoop(const std::function<void()>& action) {
    std::promise<void> done;
    loop_->Post([&] {
      action();
      done.set_value();
    });
    done.get_future().wait();
  }
  std::unique_ptr<RawClient> Attach(const std::string& console = "serial") {
    auto client = std::make_unique<RawClient>(path_);
    client->Send(console.empty() ? "{\"command\":\"console\"}\n"
                                 : R"({"command":"console","console":")" + console + "\"}\n");
    return client;
  }
  std::uint64_t Dropped() { return metrics_.Snapshot()["serial.client_dropped_bytes"]; }

  ScratchDirectory scratch_;
  const std::string path_ = scratch_.File("guest.sock");
  std::unique_ptr<ControlSocket> socket_ = ControlSocket::Claim(path_).value();
  FakeGuest guest_;
  Metrics metrics_;
  Port serial_;
  Port pv_;
  bool pv_console_ = true;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<Streams> streams_;
  std::unique_ptr<ControlServer> server_;
  std::thread thread_;
};

TEST_F(StreamsTest, ShowWhatCameBeforeAndWhatComesAfter) {
  Start();
  Print("before ");
  const auto client = Attach();
  EXPECT_EQ(client->ReadUntil("before "), std::string(kWriter) + "before ");
  Print("after.");
  EXPECT_EQ(client->ReadUntil("."), "after.");
}

TEST_F(StreamsTest, TheFirstClientWritesAndOthersOnlyRead) {
  Start();
  auto first = Attach();
  EXPECT_EQ(first->ReadUntil("\n"), kWriter);
  const auto second = Attach();
  EXPECT_EQ(second->ReadUntil("\n"), kReader);
  second->Send("not for the guest");
  first->Send("for the guest");
  EXPECT_TRUE(Eventually([&] { return serial_.received() == "for the guest"; }));
  Print("both.");
  EXPECT_EQ(first->ReadUntil("."), "both.");
  EXPECT_EQ(second->ReadUntil("."), "both.");
  first.reset();
  EXPECT_TRUE(Eventually([&] { return Attach()->ReadUntil("\n") == kWriter; }));
  EXPECT_EQ(serial_.received(), "for the guest");
}

TEST_F(StreamsTest, AClientThatSendsNoMoreLeavesWritingToOthers) {
  Start();
  const auto first = Attach();
  first->Send("last words");
  first->EndInput();
  EXPECT_EQ(first->ReadUntil("\n"), kWriter);
  EXPECT_TRUE(Eventually([&] { return Attach()->ReadUntil("\n") == kWriter; }));
  EXPECT_EQ(serial_.received(), "last words");
  Print("still here.");
  EXPECT_EQ(first->ReadUntil("."), "still here.");
}

// The loop is busy meanwhile, so that it finds the words and the end together.
TEST_F(StreamsTest, WhatAClientSendsBeforeItLeavesIsForTheGuest) {
  Start();
  auto client = Attach();
  EXPECT_EQ(client->ReadUntil("\n"), kWriter);
  OnLoop([&] {
    client->Send("reboot\n");
    client.reset();
  });
  EXPECT_TRUE(Eventually([&] { return serial_.received() == "reboot\n"; }));
}

TEST_F(StreamsTest, WhatWasSentWithTheRequestIsForTheGuest) {
  Start();
  RawClient client(path_);
  client.Send("{\"command\":\"console\",\"console\":\"serial\"}\nreboot\n");
  EXPECT_TRUE(Eventually([&] { return serial_.received() == "reboot\n"; }));
}

TEST_F(StreamsTest, InputWaitsUntilTheGuestTakesIt) {
  Start();
  serial_.SetRoom(3);
  const auto client = Attach();
  client->Send("abcdef");
  EXPECT_TRUE(Eventually([&] { return serial_.received() == "abc"; }));
  serial_.SetRoom(100);
  OnLoop([&] { streams_->Serve(); });
  EXPECT_TRUE(Eventually([&] { return serial_.received() == "abcdef"; }));
  client->Send("g");
  EXPECT_TRUE(Eventually([&] { return serial_.received() == "abcdefg"; }));
}

TEST_F(StreamsTest, ASlowClientLosesTheOldestAndIsTold) {
  Start({.console_bytes = 4096});
  const auto client = Attach();
  EXPECT_EQ(client->ReadUntil("\n"), kWriter);
  // More than the sockets hold.
  const std::string line(1023, 'x');
  for (int i = 0; i < 4096; ++i) {
    Print(line + "\n");
  }
  Print("the end.");
  const std::string text = client->ReadUntil("the end.");
  EXPECT_THAT(text, HasSubstr("bytes were lost here]"));
  const auto received = static_cast<std::uint64_t>(std::count(text.begin(), text.end(), 'x'));
  const std::uint64_t dropped = Dropped();
  EXPECT_GT(dropped, 0U);
  EXPECT_LT(dropped, 4096U * 1024);
  EXPECT_GE(received + dropped, 4096U * 1023);
}

TEST_F(StreamsTest, AClientThatTakesNothingIsDroppedAndFreesItsPlace) {
  Start({.max_clients = 1, .stall_ns = 1'000'000, .console_bytes = 4096});
  const auto hung = Attach();
  EXPECT_EQ(hung->ReadUntil("\n"), kWriter);
  const std::string line(1024, 'x');
  EXPECT_TRUE(Eventually([&] {
    Print(line);
    return hung->HungUp();
  }));
  EXPECT_EQ(Attach()->ReadUntil("\n"), kWriter);
}

TEST_F(StreamsTest, ClientsStayWhileTheGuestReboots) {
  Start();
  const auto client = Attach();
  EXPECT_EQ(client->ReadUntil("\n"), kWriter);
  EndLife();
  Print("between two lives.");
  client->Send("typed early");
  BeginLife();
  EXPECT_EQ(client->ReadUntil("."), "between two lives.");
  EXPECT_TRUE(Eventually([&] { return serial_.received() == "typed early"; }));
  // Whoever was to be woken in the life before was not.
  Print("in the second.");
  EXPECT_EQ(client->ReadUntil("."), "in the second.");
  EXPECT_EQ(Attach()->ReadUntil("\n"), kReader + std::string());
}

TEST_F(StreamsTest, TheLastWordsArriveAtTheEnd) {
  Start();
  const auto client = Attach();
  EXPECT_EQ(client->ReadUntil("\n"), kWriter);
  EndLife();
  Print("powered off");
  streams_->Finish(std::chrono::steady_clock::now() + kLimit);
  streams_.reset();
  EXPECT_EQ(client->Rest(), "powered off");
}

TEST_F(StreamsTest, NoMoreClientsThanAllowed) {
  Start({.max_clients = 2});
  const auto first = Attach();
  const auto second = Attach();
  EXPECT_EQ(first->ReadUntil("\n"), kWriter);
  EXPECT_EQ(second->ReadUntil("\n"), kReader);
  const auto third = Attach();
  EXPECT_EQ(third->ReadUntil("\n"), R"({"ok":false,"error":"too many clients are attached"})"
                                    "\n");
  third->Send("{\"command\":\"pause\"}\n");
  EXPECT_EQ(third->ReadUntil("\n"), "{\"ok\":true}\n") << "it can ask for something else";
}

TEST_F(StreamsTest, TheConsoleThatTheGuestWritesToIsTheOneByDefault) {
  Start();
  Print("hello from hvc0", StreamedConsole::kPv);
  EXPECT_THAT(Attach("")->ReadUntil("from hvc0"), HasSubstr(R"("console":"hvc0")"));
  Print("x");
  EXPECT_THAT(Attach("")->ReadUntil("\n"), HasSubstr(R"("console":"serial")"));
}

TEST_F(StreamsTest, EachConsoleHasAWriterOfItsOwn) {
  Start();
  const auto serial = Attach("serial");
  const auto pv = Attach("hvc0");
  pv->Send("to hvc0");
  EXPECT_TRUE(Eventually([&] { return pv_.received() == "to hvc0"; }));
  EXPECT_EQ(serial_.received(), "");
}

TEST_F(StreamsTest, AConsoleThatIsNotThereIsRefused) {
  Start({}, /*pv_console=*/false);
  EXPECT_THAT(Attach("hvc0")->ReadUntil("\n"), HasSubstr("no PV console"));
  EXPECT_THAT(Attach("tty9")->ReadUntil("\n"), HasSubstr("there is no console 'tty9'"));
}

TEST_F(StreamsTest, EventsGoOnThroughARebootToTheEnd) {
  Start();
  OnLoop([&] { streams_->Record({"started"}); });
  RawClient listener(path_);
  listener.Send("{\"command\":\"events\"}\n");
  EXPECT_EQ(listener.ReadUntil("\n"), "{\"ok\":true}\n");
  EXPECT_THAT(listener.ReadUntil("\n"), HasSubstr(R"("event":"started")"));
  OnLoop([&] { streams_->Record({"paused"}); });
  EXPECT_THAT(listener.ReadUntil("\n"), HasSubstr(R"("event":"paused")"));
  EndLife();
  streams_->Record({"reboot"});
  BeginLife();
  EXPECT_THAT(listener.ReadUntil("\n"), HasSubstr(R"("event":"reboot")"));
  EndLife();
  streams_->Record({"ended"});
  streams_->Finish(std::chrono::steady_clock::now() + kLimit);
  streams_.reset();
  EXPECT_THAT(listener.Rest(), HasSubstr(R"({"seq":4,)"));
}

TEST_F(StreamsTest, ListenersDoNotWriteToTheGuest) {
  Start();
  RawClient listener(path_);
  listener.Send("{\"command\":\"events\"}\nnot for the guest");
  EXPECT_EQ(listener.ReadUntil("\n"), "{\"ok\":true}\n");
  const auto client = Attach();
  EXPECT_EQ(client->ReadUntil("\n"), kWriter);
  client->Send("x");
  EXPECT_TRUE(Eventually([&] { return serial_.received() == "x"; }));
}

}  // namespace
}  // namespace veneer::test
