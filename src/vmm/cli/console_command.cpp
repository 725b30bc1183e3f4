#include "console_command.h"

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Validators.hpp>
#include <nlohmann/json.hpp>

#include "console_input.h"
#include "exit_code.h"
#include "reply_members.h"
#include "terminal.h"
#include "veneer/vmm/base/event_loop.h"
#include "veneer/vmm/base/signal_file.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::byte kDetachKey{0x1d};  // Ctrl-]

// The signals of job control, which have the terminal set, as something to read.
Result<UniqueFd> CatchJobControl() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTSTP);
  sigaddset(&signals, SIGCONT);
  return OpenSignalFile(signals);
}

Result<void> WriteAll(std::span<const char> text) {
  while (!text.empty()) {
    const ssize_t count = write(STDOUT_FILENO, text.data(), text.size());
    if (count < 0 && errno == EAGAIN) {
      // A terminal that others have made non-blocking.
      pollfd room{STDOUT_FILENO, POLLOUT, 0};
      static_cast<void>(poll(&room, 1, -1));
    } else if (count < 0 && errno != EINTR) {
      return ErrnoError(errno, "standard output cannot be written");
    } else if (count > 0) {
      text = text.subspan(static_cast<std::size_t>(count));
    }
  }
  return {};
}

// Standard input and output, and the stream between them and the guest.
class Attachment {
 public:
  enum class End { kDetached, kClosed };

  Attachment(EventLoop& loop, int stream, bool writes)
      : loop_(loop), stream_(stream), writes_(writes) {}
  ~Attachment() {
    if (listening_ != 0) {
      loop_.RemoveFd(stream_);
    }
  }

  Result<End> Run(int job_control);

 private:
  std::vector<std::byte> Filter(std::span<const std::byte> keys);
  std::size_t Send(std::span<const std::byte> text);
  void OnStream(std::uint32_t events);
  void Receive();
  void Listen(std::uint32_t events);
  void Finish(Result<End> end);

  EventLoop& loop_;
  const int stream_;
  const bool writes_;
  std::optional<RawTerminal> terminal_;
  std::unique_ptr<ConsoleInput> input_;
  std::uint32_t listening_ = 0;
  std::optional<Result<End>> end_;
};

Result<Attachment::End> Attachment::Run(int job_control) {
  if (!writes_) {
    shutdown(stream_, SHUT_WR);  // somebody else may write
  }
  Listen(EPOLLIN);
  // Whoever read our output may leave while the guest is quiet. A file cannot be watched, nor
  // leave.
  const bool watched = loop_
                           .AddFd(STDOUT_FILENO, 0,
                                  [this](std::uint32_t) {
                                    Finish(HostError("nobody reads standard output any more"));
                                  })
                           .has_value();
  terminal_.emplace();
  VENEER_TRY(loop_.AddFd(job_control, EPOLLIN, [this, job_control](std::uint32_t) {
    signalfd_siginfo info{};
    if (read(job_control, &info, sizeof info) != static_cast<ssize_t>(sizeof info)) {
      return;
    }
    info.ssi_signo == SIGTSTP ? terminal_->Suspend() : terminal_->Continue();
  }));
  input_ = std::make_unique<ConsoleInput>(
      loop_, STDIN_FILENO, [this](std::span<const std::byte> text) { return Send(text); },
      [this](std::span<const std::byte> keys) { return Filter(keys); },
      [this] {
        if (writes_) {
          shutdown(stream_, SHUT_WR);
        }
      });
  input_->Start();
  loop_.Run();
  input_.reset();
  loop_.RemoveFd(job_control);
  if (watched) {
    loop_.RemoveFd(STDOUT_FILENO);
  }
  terminal_.reset();
  return *end_;
}

std::vector<std::byte> Attachment::Filter(std::span<const std::byte> keys) {
  const auto detach =
      terminal_->active() ? std::find(keys.begin(), keys.end(), kDetachKey) : keys.end();
  if (detach != keys.end()) {
    Finish(End::kDetached);
  }
  return writes_ ? std::vector(keys.begin(), detach) : std::vector<std::byte>();
}

std::size_t Attachment::Send(std::span<const std::byte> text) {
  const ssize_t count = send(stream_, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  const std::size_t taken = count > 0 ? static_cast<std::size_t>(count) : 0;
  Listen(taken < text.size() ? EPOLLIN | EPOLLOUT : EPOLLIN);
  return taken;
}

void Attachment::OnStream(std::uint32_t events) {
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
    Receive();
  }
  if ((events & EPOLLOUT) != 0 && !end_) {
    Listen(EPOLLIN);
    input_->OnRoom();
  }
}

void Attachment::Receive() {
  std::array<char, 16384> buffer;
  const ssize_t count = recv(stream_, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (count > 0) {
    const Result<void> written = WriteAll(std::span(buffer).first(static_cast<std::size_t>(count)));
    if (!written) {
      Finish(tl::unexpected(written.error()));
    }
  } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
    Finish(End::kClosed);
  }
}

void Attachment::Listen(std::uint32_t events) {
  if (events == listening_) {
    return;
  }
  if (listening_ != 0) {
    loop_.RemoveFd(stream_);
  }
  listening_ = events;
  const Result<void> added =
      loop_.AddFd(stream_, events, [this](std::uint32_t ready) { OnStream(ready); });
  if (!added) {
    listening_ = 0;
    Finish(tl::unexpected(added.error()));
  }
}

void Attachment::Finish(Result<End> end) {
  if (!end_) {
    end_ = std::move(end);
  }
  loop_.Stop();
}

Result<void> Attach(const ConsoleOptions& options) {
  Json request{{"command", "console"}};
  if (!options.console.empty()) {
    request["console"] = options.console;
  }
  VENEER_TRY_ASSIGN(const std::unique_ptr<ControlClient> client, ConnectTo(options.guest));
  VENEER_TRY_ASSIGN(const std::string line, client->Begin(request.dump(), kReplyLimit));
  const Json reply = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!Flag(reply, "/ok")) {
    return HostError("{}", Text(reply, "/error"));
  }
  const bool may_write = Flag(reply, "/writes");
  const bool terminal = isatty(STDIN_FILENO) != 0;
  fmt::print(stderr, "veneer: console {} of '{}'{}{}\n", Text(reply, "/console"),
             options.guest.name, terminal ? "; Ctrl-] detaches" : "",
             may_write || options.read_only
                 ? ""
                 : "; another client writes there, so that this one only reads");
  VENEER_TRY_ASSIGN(const UniqueFd job_control, CatchJobControl());
  VENEER_TRY_ASSIGN(const std::unique_ptr<EventLoop> loop, EventLoop::Create());
  Attachment attachment(*loop, client->stream(), may_write && !options.read_only);
  VENEER_TRY_ASSIGN(const Attachment::End end, attachment.Run(job_control.get()));
  if (end == Attachment::End::kDetached) {
    fmt::print(stderr, "\nveneer: detached from '{}'\n", options.guest.name);
    return {};
  }
  if (!HasEnded(options.guest)) {
    return HostError("'{}' has closed the connection: it was not read for too long",
                     options.guest.name);
  }
  fmt::print(stderr, "\nveneer: '{}' has ended\n", options.guest.name);
  return {};
}

}  // namespace

void DeclareConsoleOptions(CLI::App& command, ConsoleOptions& options) {
  command.add_option("name", options.guest.name, "The guest's name (run --name)")->required();
  command
      .add_option("console", options.console,
                  "serial (ttyS0) or hvc0 (the PV console); by default the one that the guest "
                  "writes to")
      ->check(CLI::IsMember(std::vector<std::string>{"serial", "hvc0"}));
  command.add_flag("--read-only", options.read_only, "Send the guest nothing");
  command
      .add_option("--socket", options.guest.socket,
                  "The guest's control socket (run --control-socket)")
      ->type_name("PATH");
  command.footer(
      "What the guest has written lately comes first (up to 64 KiB). The first client of a console "
      "writes,\n"
      "others only read. Ctrl-] detaches.\n\n"
      "Exit codes: 0 detached, or the guest has ended; 1 no such guest, or it has closed the\n"
      "connection; 2 wrong usage.\n\n"
      "Examples:\n"
      "  veneer console web\n"
      "  veneer console web hvc0 --read-only");
}

int ConsoleCommand(const ConsoleOptions& options) {
  const Result<void> done = Attach(options);
  if (done) {
    return static_cast<int>(ExitCode::kOk);
  }
  fmt::print(stderr, "veneer: {}\n", done.error().message);
  return static_cast<int>(done.error().kind == ErrorKind::kUsage ? ExitCode::kUsage
                                                                 : ExitCode::kHostError);
}

}  // namespace veneer
