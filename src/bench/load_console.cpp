#include "load_console.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <utility>

#include "veneer/vmm/base/clock.h"

namespace veneer::bench {
namespace {

constexpr std::string_view kMark = "veneer-load: ";
constexpr unsigned kBootLimit = 1800;   // seconds; a distribution's kernel where it is interpreted
constexpr unsigned kAnswerLimit = 180;  // seconds beyond the load itself
constexpr std::size_t kKept = 2000;     // bytes of the console, for an error's message

}  // namespace

Result<std::unique_ptr<LoadConsole>> LoadConsole::Start(const std::string& program,
                                                        std::vector<std::string> arguments,
                                                        Interrupt& interrupt) {
  std::unique_ptr<LoadConsole> console(new LoadConsole(interrupt));
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return ErrnoError(errno, "cannot make a socket");
  }
  console->console_ = UniqueFd(ends[0]);
  const UniqueFd theirs(ends[1]);
  VENEER_TRY_ASSIGN(console->vmm_, ChildProcess::Start({.program = program,
                                                        .arguments = std::move(arguments),
                                                        .cleans_up = true,
                                                        .dialogue = theirs.get()}));
  VENEER_TRY_ASSIGN(const std::string ready, console->NextAnswer(kBootLimit));
  if (ready != "ready") {
    return HostError("the guest's veneer-load says '{}'", ready);
  }
  return console;
}

Result<LoadResult> LoadConsole::Ask(const std::string& line, unsigned seconds) {
  const std::string text = line + "\n";
  if (send(console_.get(), text.data(), text.size(), MSG_NOSIGNAL) < 0) {
    return tl::unexpected(Silence("the guest has gone"));
  }
  VENEER_TRY_ASSIGN(const std::string answer, NextAnswer(seconds + kAnswerLimit));
  LoadResult result;
  if (std::sscanf(answer.c_str(), "done %" SCNu64 " %" SCNu64 " %" SCNu64, &result.operations,
                  &result.bytes, &result.ns) != 3) {
    return HostError("in the guest, '{}': {}", line, answer);
  }
  return result;
}

Result<std::string> LoadConsole::NextAnswer(unsigned limit_seconds) {
  const std::uint64_t end =
      HostClock().MonotonicNs() + std::uint64_t{limit_seconds} * 1'000'000'000;
  for (;;) {
    for (std::size_t stop = 0; (stop = received_.find('\n')) != std::string::npos;) {
      std::string line = received_.substr(0, stop);
      received_.erase(0, stop + 1);
      line.erase(line.find_last_not_of('\r') + 1);
      if (line.starts_with(kMark)) {
        return line.substr(kMark.size());
      }
      last_ += line + "\n";
    }
    last_.erase(0, last_.size() > kKept ? last_.size() - kKept : 0);
    const std::uint64_t now = HostClock().MonotonicNs();
    if (now >= end || received_.size() > kKept) {
      return tl::unexpected(Silence("the guest gives no answer"));
    }
    VENEER_TRY_ASSIGN(
        const bool ready,
        interrupt_.Wait(console_.get(), static_cast<int>((end - now) / 1'000'000) + 1));
    if (!ready) {
      continue;
    }
    std::array<char, 4096> part{};
    const ssize_t got = read(console_.get(), part.data(), part.size());
    if (got <= 0) {
      return tl::unexpected(Silence("the guest ended too early"));
    }
    received_.append(part.data(), static_cast<std::size_t>(got));
  }
}

Error LoadConsole::Silence(std::string_view what) const {
  vmm_->Terminate();
  return Error{ErrorKind::kHost, fmt::format("{}\n{}{}", what, last_, vmm_->Wait().complaint)};
}

}  // namespace veneer::bench
