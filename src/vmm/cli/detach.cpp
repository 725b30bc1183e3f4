#include "detach.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "exit_code.h"
#include "veneer/vmm/base/log.h"
#include "veneer/vmm/base/output_file.h"
#include "veneer/vmm/base/pipe.h"

namespace veneer {
namespace {

// Reads what there is, waiting for it; empty at the end.
std::string ReadSome(int fd) {
  std::array<char, 4096> buffer;
  ssize_t count = 0;
  do {
    count = read(fd, buffer.data(), buffer.size());
  } while (count < 0 && errno == EINTR);
  return {buffer.data(), count > 0 ? static_cast<std::size_t>(count) : 0};
}

bool Readable(int fd) {
  pollfd readable{fd, POLLIN, 0};
  return poll(&readable, 1, 0) == 1;
}

void Say(const std::string& text) {
  static_cast<void>(std::fwrite(text.data(), 1, text.size(), stderr));
}

int ExitCodeOf(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status)
                           : static_cast<int>(ExitCode::kSignalBase) + WTERMSIG(status);
}

// In front. `names` ends with the process, or with its name; `errors` may be held open by others.
int WaitForBegin(pid_t child, const Pipe& names, const Pipe& errors, const std::string& log_file) {
  std::string name;
  for (;;) {
    std::array<pollfd, 2> ready{pollfd{errors.in.get(), POLLIN, 0},
                                pollfd{names.in.get(), POLLIN, 0}};
    if (poll(ready.data(), ready.size(), -1) < 0) {
      continue;  // a signal
    }
    if ((ready[0].revents & POLLIN) != 0) {
      Say(ReadSome(errors.in.get()));
      continue;  // all of it, before its end
    }
    const std::string piece = ReadSome(names.in.get());
    if (piece.empty()) {
      break;
    }
    name += piece;
  }
  const int code = name.empty() ? ExitCodeOf(child) : static_cast<int>(ExitCode::kOk);
  while (Readable(errors.in.get())) {
    const std::string text = ReadSome(errors.in.get());
    if (text.empty()) {
      break;
    }
    Say(text);
  }
  if (!name.empty()) {
    fmt::print("{}\n", name);
  } else if (!log_file.empty()) {
    fmt::print(stderr, "veneer: the guest did not start; the log '{}' says why\n", log_file);
  }
  return code;
}

}  // namespace

Result<Detached> Detached::Make(const std::string& log_file) {
  VENEER_TRY_ASSIGN(Pipe names, MakePipe());
  VENEER_TRY_ASSIGN(Pipe errors, MakePipe());
  UniqueFd nothing(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!nothing.valid()) {
    return ErrnoError(errno, "cannot open /dev/null");
  }
  UniqueFd at_last;
  if (!log_file.empty()) {
    auto log = OpenOutput(log_file, O_APPEND);
    if (!log) {
      return WithContext(std::move(log).error(), "--log-file");
    }
    at_last = std::move(*log);
  }
  // Or what is in its buffer would be written twice.
  static_cast<void>(std::fflush(nullptr));
  const pid_t child = fork();
  if (child < 0) {
    return ErrnoError(errno, "cannot make a process for the guest");
  }
  Detached detached;
  if (child != 0) {
    names.out.Reset();
    errors.out.Reset();
    detached.exit_code = WaitForBegin(child, names, errors, log_file);
    return detached;
  }
  setsid();
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO}) {
    dup2(nothing.get(), fd);
  }
  dup2(errors.out.get(), STDERR_FILENO);
  detached.background =
      Background(std::move(names.out), at_last.valid() ? std::move(at_last) : std::move(nothing));
  return detached;
}

Result<void> Background::Begin(const std::string& name) {
  if (write(front_.get(), name.data(), name.size()) != static_cast<ssize_t>(name.size())) {
    return HostError("whoever has started this guest is gone, so that it ends, too");
  }
  front_.Reset();
  dup2(errors_.get(), STDERR_FILENO);
  errors_.Reset();
  return {};
}

}  // namespace veneer
