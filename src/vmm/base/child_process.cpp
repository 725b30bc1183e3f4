#include "veneer/vmm/base/child_process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <string_view>
#include <utility>

#include <fmt/core.h>

#include "veneer/vmm/base/check.h"
#include "veneer/vmm/base/pipe.h"
#include "veneer/vmm/base/thread.h"

namespace veneer {
namespace {

constexpr int kListener = 3;  // SD_LISTEN_FDS_START
constexpr std::string_view kListenPid = "LISTEN_PID=";
constexpr int kFirstFree = 10;  // above what a program expects at fixed places
constexpr std::size_t kMostKept = std::size_t{1} << 20U;  // bytes
constexpr int kNoExec = 127;                              // as shells have it

// All that the new process needs, made before it exists: between fork() and exec() it may neither
// allocate nor lock.
struct Launch {
  const char* program = nullptr;
  char* const* arguments = nullptr;
  char* const* environment = nullptr;
  char* listen_pid = nullptr;  // the place of the number in LISTEN_PID=
  pid_t parent = 0;
  int death_signal = SIGKILL;     // when the thread that starts it has gone
  std::array<int, 3> standard{};  // files to become 0, 1 and 2
  int listener = -1;
  int files = -1;    // a Landlock rule set
  int failure = -1;  // where errno is written if there is no exec()
};

void WriteNumber(char* place, pid_t number) {
  std::array<char, 12> digits{};
  std::size_t count = 0;
  for (; number > 0; number /= 10) {
    digits.at(count++) = static_cast<char>('0' + number % 10);
  }
  while (count > 0) {
    *place++ = digits.at(--count);
  }
  *place = '\0';
}

void ForgetSignals() {
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) {
    // Fails for the few that cannot be changed.
    static_cast<void>(sigaction(signal, &usual, nullptr));
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

// In the new process.
[[noreturn]] void Exec(const Launch& launch) {
  // The second check: the parent may have gone before the first call.
  if (prctl(PR_SET_PDEATHSIG, launch.death_signal) != 0 || getppid() != launch.parent) {
    _exit(kNoExec);
  }
  setsid();
  for (int fd = 0; fd < 3; ++fd) {
    dup2(launch.standard[static_cast<std::size_t>(fd)], fd);
  }
  if (launch.listener >= 0) {
    dup2(launch.listener, kListener);
    WriteNumber(launch.listen_pid, getpid());
  }
  // Whatever some library left open for programs to inherit. Before Linux 5.11 that stays open.
  syscall(SYS_close_range, launch.listener >= 0 ? kListener + 1 : kListener, ~0U,
          CLOSE_RANGE_CLOEXEC);
  ForgetSignals();
  if (launch.files < 0 || (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                           syscall(SYS_landlock_restrict_self, launch.files, 0) == 0)) {
    execve(launch.program, launch.arguments, launch.environment);
  }
  const int error = errno;
  static_cast<void>(!write(launch.failure, &error, sizeof error));
  _exit(kNoExec);
}

// Above the places that the new process fills with dup2().
UniqueFd Lift(int fd) { return UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, kFirstFree)); }

// The new process writes to it.
Result<Pipe> MakeLiftedPipe() {
  VENEER_TRY_ASSIGN(Pipe pipe, MakePipe());
  pipe.out = Lift(pipe.out.get());
  if (!pipe.out.valid()) {
    return ErrnoError(errno, "cannot make a pipe");
  }
  return pipe;
}

// Pointers as execve(2) wants them.
std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) {
    pointers.push_back(text.data());
  }
  pointers.push_back(nullptr);
  return pointers;
}

// Veneer's own, with what sd_listen_fds(3) reads; LISTEN_PID comes last, with room for its number.
std::vector<std::string> Environment(bool listens) {
  std::vector<std::string> texts;
  for (char** text = environ; *text != nullptr; ++text) {
    if (!std::string_view(*text).starts_with("LISTEN_")) {
      texts.emplace_back(*text);
    }
  }
  if (listens) {
    texts.emplace_back("LISTEN_FDS=1");
    texts.push_back(fmt::format("{}{:010}", kListenPid, 0));
  }
  return texts;
}

// The errno value by which exec() failed, 0 if it did not.
int WaitForExec(Pipe& failure) {
  failure.out.Reset();
  int error = 0;
  ssize_t got = 0;
  do {
    got = read(failure.in.get(), &error, sizeof error);
  } while (got < 0 && errno == EINTR);
  return got == static_cast<ssize_t>(sizeof error) ? error : 0;
}

// By number: glibc 2.36 declares the two functions in a way that C++ cannot link.
int OpenProcess(pid_t pid) { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }
void SendSignal(int process, int signal) {
  syscall(SYS_pidfd_send_signal, process, signal, nullptr, 0);
}

// Takes what is there; false at the end.
bool Take(int fd, std::string& kept) {
  std::array<char, 4096> part{};
  const ssize_t got = read(fd, part.data(), part.size());
  if (got > 0 && kept.size() < kMostKept) {
    kept.append(part.data(), static_cast<std::size_t>(got));
  }
  return got > 0 || (got < 0 && errno == EINTR);
}

void TakeAll(UniqueFd& output, UniqueFd& complaint, ChildProcess::Outcome& outcome) {
  while (output.valid() || complaint.valid()) {
    std::array<pollfd, 2> files{
        {{output.get(), POLLIN, 0}, {complaint.get(), POLLIN, 0}}};  // -1 is passed over
    if (poll(files.data(), files.size(), -1) < 0) {
      continue;
    }
    if (files[0].revents != 0 && !Take(output.get(), outcome.output)) {
      output.Reset();
    }
    if (files[1].revents != 0 && !Take(complaint.get(), outcome.complaint)) {
      complaint.Reset();
    }
  }
}

}  // namespace

bool ChildProcess::Outcome::succeeded() const {
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

Result<void> ChildProcess::Fork(const Plan& plan) {
  VENEER_TRY_ASSIGN(Pipe output, MakeLiftedPipe());
  VENEER_TRY_ASSIGN(Pipe complaint, MakeLiftedPipe());
  VENEER_TRY_ASSIGN(Pipe failure, MakeLiftedPipe());
  const UniqueFd nothing(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const UniqueFd input = Lift(plan.dialogue >= 0 ? plan.dialogue : nothing.get());
  const UniqueFd listener = plan.listener >= 0 ? Lift(plan.listener) : UniqueFd();
  if (!input.valid() || (plan.listener >= 0 && !listener.valid())) {
    return ErrnoError(errno, fmt::format("cannot prepare to start {}", plan.program));
  }
  UniqueFd files;
  if (plan.files) {
    VENEER_TRY_ASSIGN(const UniqueFd rules, plan.files());
    if (rules.valid()) {
      files = Lift(rules.get());
      if (!files.valid()) {
        return ErrnoError(errno, fmt::format("cannot prepare to start {}", plan.program));
      }
    }
  }
  std::vector<std::string> arguments{plan.program};
  arguments.insert(arguments.end(), plan.arguments.begin(), plan.arguments.end());
  std::vector<std::string> environment = Environment(listener.valid());
  const std::vector<char*> argument_pointers = Pointers(arguments);
  const std::vector<char*> environment_pointers = Pointers(environment);
  Launch launch;
  launch.program = plan.program.c_str();
  launch.arguments = argument_pointers.data();
  launch.environment = environment_pointers.data();
  if (listener.valid()) {
    launch.listen_pid = environment.back().data() + kListenPid.size();
  }
  launch.parent = getpid();
  launch.death_signal = plan.cleans_up ? SIGTERM : SIGKILL;
  launch.standard = {input.get(), plan.dialogue >= 0 ? input.get() : output.out.get(),
                     complaint.out.get()};
  launch.listener = listener.get();
  launch.files = files.get();
  launch.failure = failure.out.get();
  pid_ = fork();
  if (pid_ == 0) {
    Exec(launch);
  }
  if (pid_ < 0) {
    return ErrnoError(errno, fmt::format("cannot start {}", plan.program));
  }
  // Only this thread waits for it, so that the number is still the program's.
  process_.Reset(OpenProcess(pid_));
  if (!process_.valid()) {
    const int error = errno;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    return ErrnoError(error, fmt::format("cannot look after {}", plan.program));
  }
  if (const int error = WaitForExec(failure); error != 0) {
    waitpid(pid_, nullptr, 0);
    return ErrnoError(error, fmt::format("cannot start {}", plan.program));
  }
  output_ = std::move(output.in);
  complaint_ = std::move(complaint.in);
  return {};
}

void ChildProcess::Keep(const Plan& plan, std::promise<Result<void>> started) {
  Result<void> result = Fork(plan);
  const bool good = result.has_value();
  started.set_value(std::move(result));  // `plan` is gone from here on
  if (!good) {
    return;
  }
  TakeAll(output_, complaint_, outcome_);
  while (waitpid(pid_, &outcome_.status, 0) < 0 && errno == EINTR) {
  }
  if (on_end_) {
    on_end_(outcome_);
  }
}

Result<std::unique_ptr<ChildProcess>> ChildProcess::Start(
    const Plan& plan, std::function<void(const Outcome&)> on_end) {
  std::unique_ptr<ChildProcess> child(new ChildProcess());
  child->on_end_ = std::move(on_end);
  const auto started = std::make_shared<std::promise<Result<void>>>();
  std::future<Result<void>> result = started->get_future();
  VENEER_TRY_ASSIGN(child->thread_, StartThread(ThreadKind::kKeeper, "keeper",
                                                [keeper = child.get(), &plan, started] {
                                                  keeper->Keep(plan, std::move(*started));
                                                }));
  VENEER_TRY(result.get());
  return child;
}

ChildProcess::~ChildProcess() {
  if (thread_.joinable()) {
    End();
    thread_.join();
  }
}

void ChildProcess::Terminate() const {
  if (process_.valid()) {
    SendSignal(process_.get(), SIGTERM);
  }
}

void ChildProcess::End() const {
  constexpr int kPatienceMs = 1000;
  if (!process_.valid()) {
    return;
  }
  SendSignal(process_.get(), SIGTERM);
  pollfd ended{process_.get(), POLLIN, 0};
  if (poll(&ended, 1, kPatienceMs) <= 0) {
    Kill();
  }
}

void ChildProcess::Kill() const {
  if (process_.valid()) {
    SendSignal(process_.get(), SIGKILL);
  }
}

const ChildProcess::Outcome& ChildProcess::Wait() {
  if (thread_.joinable()) {
    thread_.join();
  }
  return outcome_;
}

Result<std::string> FindProgram(const std::string& name, const std::string& package) {
  const char* const path = std::getenv("PATH");
  std::string_view rest = path != nullptr ? path : "/usr/bin:/bin";
  while (!rest.empty()) {
    const std::size_t colon = rest.find(':');
    const std::string program = fmt::format("{}/{}", rest.substr(0, colon), name);
    if (access(program.c_str(), X_OK) == 0) {
      return program;
    }
    rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
  }
  return HostError("the program {} is missing; install Debian's package {}", name, package);
}

}  // namespace veneer
