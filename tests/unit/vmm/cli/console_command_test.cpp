#include "src/vmm/cli/console_command.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../control/fake_guest.h"
#include "src/vmm/cli/exit_code.h"
#include "support/eventually.h"
#include "support/scratch_directory.h"
#include "veneer/vmm/control/control_server.h"

namespace veneer::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using veneer::testing::Eventually;

// Only what hangs gets there.
constexpr int kLimitMs = 30'000;

// `veneer console` as a process of its own, on a terminal of its own.
class ConsoleOnATerminal {
 public:
  explicit ConsoleOnATerminal(const ConsoleOptions& options) {
    master_.Reset(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    EXPECT_EQ(grantpt(master_.get()), 0);
    EXPECT_EQ(unlockpt(master_.get()), 0);
    const std::string name = ptsname(master_.get());
    slave_.Reset(open(name.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    pid_ = fork();
    if (pid_ == 0) {
      setsid();
      const int terminal = open(name.c_str(), O_RDWR);  // becomes the controlling one
      for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        dup2(terminal, fd);
      }
      std::exit(ConsoleCommand(options));
    }
  }
  ~ConsoleOnATerminal() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }

  void Type(std::string_view keys) {
    EXPECT_EQ(write(master_.get(), keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
  }
  void Signal(int number) const { kill(pid_, number); }
  // All that has been shown, once `text` is in it.
  const std::string& Read(std::string_view text) {
    while (shown_.find(text) == std::string::npos) {
      std::array<char, 4096> buffer;
      pollfd readable{master_.get(), POLLIN, 0};
      if (poll(&readable, 1, kLimitMs) != 1) {
        ADD_FAILURE() << "no '" << text << "' in '" << shown_ << "'";
        break;
      }
      const ssize_t count = read(master_.get(), buffer.data(), buffer.size());
      if (count > 0) {
        shown_.append(buffer.data(), static_cast<std::size_t>(count));
      }
    }
    return shown_;
  }
  bool Raw() const {
    termios settings{};
    return tcgetattr(slave_.get(), &settings) == 0 && (settings.c_lflag & ICANON) == 0;
  }
  // As from waitpid(2).
  int WaitForEnd() {
    int status = -1;
    EXPECT_TRUE(Eventually([&] { return waitpid(pid_, &status, WNOHANG) == pid_; }));
    pid_ = -1;
    return status;
  }

 private:
  UniqueFd master_;
  UniqueFd slave_;  // keeps the terminal's settings to be looked at
  pid_t pid_ = -1;
  std::string shown_;
};

class ConsoleCommandTest : public ::testing::Test {
 protected:
  ~ConsoleCommandTest() override {
    if (streams_ != nullptr) {
      End();
    }
  }

  // Clients are started before: they fork, and this starts a thread.
  void Serve() {
    streams_->Attach(
        *loop_,
        [this](std::span<const std::byte> text) {
          const std::scoped_lock lock(mutex_);
          for (const std::byte byte : text) {
            received_ += static_cast<char>(byte);
          }
          return text.size();
        },
        nullptr);
    server_ = ControlServer::Create(*socket_, guest_, *loop_, {.streams = streams_.get()}).value();
    thread_ = std::thread([this] { loop_->Run(); });
  }
  // The guest ends.
  void End() {
    if (thread_.joinable()) {
      loop_->Stop();
      thread_.join();
    }
    server_.reset();
    streams_->Detach();
    socket_.reset();
    streams_.reset();
  }
  void Print(std::string_view text) {
    if (streams_->Append(StreamedConsole::kSerial, std::as_bytes(std::span(text)))) {
      loop_->Post([this] { streams_->Serve(); });
    }
  }
  std::string received() {
    const std::scoped_lock lock(mutex_);
    return received_;
  }
  ConsoleOptions Options() const { return {.guest = {"web", path_}, .console = "serial"}; }

  ScratchDirectory scratch_;
  const std::string path_ = scratch_.File("guest.sock");
  FakeGuest guest_;
  Metrics metrics_;
  std::mutex mutex_;
  std::string received_;
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create().value();
  std::unique_ptr<Streams> streams_ = std::make_unique<Streams>(metrics_);
  std::unique_ptr<ControlSocket> socket_ = ControlSocket::Claim(path_).value();
  std::unique_ptr<ControlServer> server_;
  std::thread thread_;
};

TEST_F(ConsoleCommandTest, CarriesKeysAndTextUntilItIsDetached) {
  ConsoleOnATerminal console(Options());
  Serve();
  Print("login: ");
  EXPECT_THAT(console.Read("login: "), HasSubstr("console serial of 'web'; Ctrl-] detaches"));
  EXPECT_TRUE(Eventually([&] { return console.Raw(); }));
  console.Type("root\r\x03\x1a");
  EXPECT_TRUE(Eventually([&] { return received() == "root\r\x03\x1a"; }));
  console.Type("\x1d");
  console.Read("detached from 'web'");
  EXPECT_EQ(console.WaitForEnd(), 0);
  EXPECT_FALSE(console.Raw());
}

TEST_F(ConsoleCommandTest, GivesTheTerminalBackWhenASignalEndsIt) {
  ConsoleOnATerminal console(Options());
  Serve();
  EXPECT_TRUE(Eventually([&] { return console.Raw(); }));
  console.Signal(SIGTERM);
  const int status = console.WaitForEnd();
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
  EXPECT_FALSE(console.Raw());
}

TEST_F(ConsoleCommandTest, TellsThatTheGuestHasEnded) {
  ConsoleOnATerminal console(Options());
  Serve();
  Print("power down");
  console.Read("power down");
  End();
  console.Read("'web' has ended");
  EXPECT_EQ(console.WaitForEnd(), 0);
  EXPECT_FALSE(console.Raw());
}

TEST_F(ConsoleCommandTest, ASecondOneIsToldThatItOnlyReads) {
  ConsoleOnATerminal first(Options());
  ConsoleOnATerminal second(Options());
  Serve();
  Print("login: ");
  first.Read("login: ");
  second.Read("login: ");
  const bool first_reads = first.Read("console serial").find("only reads") != std::string::npos;
  const bool second_reads = second.Read("console serial").find("only reads") != std::string::npos;
  EXPECT_NE(first_reads, second_reads);
  ConsoleOnATerminal& reader = first_reads ? first : second;
  EXPECT_TRUE(Eventually([&] { return reader.Raw(); }));
  reader.Type("not for the guest\x1d");
  reader.Read("detached from 'web'");
  EXPECT_EQ(reader.WaitForEnd(), 0);
  EXPECT_EQ(received(), "");
}

TEST_F(ConsoleCommandTest, ReadOnlyLeavesWritingToOthers) {
  ConsoleOptions options = Options();
  options.read_only = true;
  ConsoleOnATerminal reader(options);
  Serve();
  Print("login: ");
  EXPECT_THAT(reader.Read("login: "), Not(HasSubstr("only reads")));
  EXPECT_TRUE(Eventually([&] { return reader.Raw(); }));
  EXPECT_TRUE(Eventually([&] {
    const auto another = ControlClient::Connect(path_).value();
    const auto reply = another->Begin(R"({"command":"console"})", std::chrono::seconds(30));
    return reply && reply->find(R"("writes":true)") != std::string::npos;
  }));
}

TEST(ConsoleCommand, SaysThatNobodyIsThere) {
  const ScratchDirectory scratch;
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(ConsoleCommand({.guest = {"web", scratch.File("none.sock")}, .console = ""}),
            static_cast<int>(ExitCode::kHostError));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("no guest 'web' is running"));
}

}  // namespace
}  // namespace veneer::test
