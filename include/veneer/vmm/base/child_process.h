// A program that Veneer runs for its own use, and that never outlives it.
#pragma once

#include <sys/types.h>

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/base/unique_fd.h"

namespace veneer {

// A thread of its own starts the program, keeps what it writes and waits for its end: the kernel
// sends the program a signal when the thread that started it goes, in whichever way.
//
// The program has a session of its own, so that Ctrl-C on the terminal does not reach it.
class ChildProcess {
 public:
  struct Plan {
    std::string program;                 // a path
    std::vector<std::string> arguments;  // without the program's name
    int listener =
        -1;  // a listening socket, handed over as in sd_listen_fds(3); stays the caller's
    // It has something to bring to an end itself: that signal is SIGTERM, and otherwise SIGKILL,
    // which no program can miss.
    bool cleans_up = false;
    // A Landlock rule set with the files that it reaches, or an invalid one: those that Veneer
    // does. Called on the thread that starts the program; null: no rule set.
    std::function<Result<UniqueFd>()> files = nullptr;
    int dialogue = -1;  // becomes stdin and stdout, of which nothing is kept; stays the caller's
  };
  struct Outcome {
    int status = 0;         // as from waitpid(2)
    std::string output;     // the beginning of its stdout
    std::string complaint;  // and of its stderr
    bool succeeded() const;
  };

  // `on_end` is called on the thread that waits.
  static Result<std::unique_ptr<ChildProcess>> Start(
      const Plan& plan, std::function<void(const Outcome&)> on_end = nullptr);
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  // As End(), and waits until it has.
  ~ChildProcess();

  pid_t pid() const { return pid_; }
  // SIGTERM; no effect once it has ended.
  void Terminate() const;
  // Asks it to end (SIGTERM), and makes it (SIGKILL) if it has not after a second: a program that
  // was stopped, or waits for a disk that does not answer, hears of nothing else. No effect once it
  // has ended.
  void End() const;
  // At once.
  void Kill() const;
  const Outcome& Wait();

 private:
  ChildProcess() = default;
  void Keep(const Plan& plan, std::promise<Result<void>> started);
  Result<void> Fork(const Plan& plan);

  std::function<void(const Outcome&)> on_end_;
  pid_t pid_ = -1;
  UniqueFd process_;  // a pidfd
  UniqueFd output_;   // what the program writes, to be read here
  UniqueFd complaint_;
  Outcome outcome_;  // the thread's, until it has been joined
  std::thread thread_;
};

// Where the user's PATH has `name`. HostError that names Debian's `package`, if nowhere.
Result<std::string> FindProgram(const std::string& name, const std::string& package);

}  // namespace veneer
