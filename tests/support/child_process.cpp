#include "support/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>

namespace veneer::test {
namespace {

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Pipe MakePipe() {
  std::array<int, 2> fds{};
  if (pipe2(fds.data(), O_CLOEXEC) != 0) {
    throw std::runtime_error("no pipe to be had");
  }
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// Appends what is there to `text`; false at the end.
bool ReadSome(UniqueFd& fd, std::string& text) {
  std::array<char, 4096> buffer;
  const ssize_t got = read(fd.get(), buffer.data(), buffer.size());
  if (got <= 0) {
    fd.Reset();
    return false;
  }
  text.append(buffer.data(), static_cast<std::size_t>(got));
  return true;
}

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& argv) {
  Pipe in = MakePipe();
  Pipe out = MakePipe();
  Pipe err = MakePipe();
  std::vector<char*> arguments;
  for (const std::string& argument : argv) {
    arguments.push_back(const_cast<char*>(argument.c_str()));  // execv's historical signature
  }
  arguments.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    dup2(in.read.get(), STDIN_FILENO);
    dup2(out.write.get(), STDOUT_FILENO);
    dup2(err.write.get(), STDERR_FILENO);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  if (pid_ < 0) {
    throw std::runtime_error("cannot fork");
  }
  stdin_ = std::move(in.write);
  stdout_ = std::move(out.read);
  stderr_ = std::move(err.read);
}

ChildProcess::~ChildProcess() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
}

bool ChildProcess::Collect(const std::function<bool()>& done,
                           std::chrono::steady_clock::time_point deadline) {
  while (!done()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0 || (!stdout_.valid() && !stderr_.valid())) {
      return false;
    }
    std::array<pollfd, 2> fds{pollfd{stdout_.get(), POLLIN, 0}, pollfd{stderr_.get(), POLLIN, 0}};
    if (poll(fds.data(), fds.size(), static_cast<int>(std::min<long>(left.count(), 1000))) < 0) {
      continue;
    }
    if (fds[0].revents != 0) {
      ReadSome(stdout_, out_);
    }
    if (fds[1].revents != 0) {
      ReadSome(stderr_, err_);
    }
  }
  return true;
}

bool ChildProcess::WaitForOutput(std::string_view text, std::chrono::seconds limit,
                                 std::size_t from) {
  return Collect([&] { return out_.find(text, from) != std::string::npos; },
                 std::chrono::steady_clock::now() + limit);
}

int ChildProcess::WaitForExit(std::chrono::seconds limit) {
  Collect([this] { return !stdout_.valid() && !stderr_.valid(); },
          std::chrono::steady_clock::now() + limit);
  if (stdout_.valid() || stderr_.valid()) {
    err_ += "\n(killed by the test: it did not end in time)\n";
    kill(pid_, SIGKILL);
  }
  if (pid_ > 0) {
    waitpid(pid_, &status_, 0);
    pid_ = -1;
  }
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
}

void ChildProcess::Send(std::string_view input) {
  while (!input.empty()) {
    const ssize_t sent = write(stdin_.get(), input.data(), input.size());
    if (sent <= 0) {
      return;
    }
    input.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void ChildProcess::Signal(int number) const {
  if (pid_ > 0) {
    kill(pid_, number);
  }
}

}  // namespace veneer::test
