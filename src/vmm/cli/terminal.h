// The user's terminal as the guest's serial console.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

namespace veneer {

// Puts the terminal on stdin into raw mode, so that every key reaches the guest, and back on every
// way out: destruction, normal exit and every signal that ends a program. One at a time, on one
// thread. Does nothing when stdin is no terminal, and leaves it alone while another process has it
// (Veneer was started or continued in the background).
class RawTerminal {
 public:
  RawTerminal();
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;
  ~RawTerminal();

  bool active() const { return active_; }

  // SIGTSTP has come: the terminal is the shell's until the process is continued. Returns then.
  void Suspend();
  // SIGCONT has come, perhaps after a SIGSTOP that nobody was told of: raw again.
  void Continue() { MakeRaw(); }

 private:
  void MakeRaw();
  void MakeCooked();

  bool terminal_ = false;
  bool active_ = false;
};

// Stops the process as SIGTSTP does; returns when it is continued. SIGTSTP must be blocked in all
// threads.
void StopOurselves();

// Finds the escape sequences in what the user types: Ctrl-A and a letter, as in QEMU.
class EscapeParser {
 public:
  struct Actions {
    std::function<void()> quit;          // x
    std::function<void()> power_button;  // p
    std::function<void()> help;          // h or ?
  };
  explicit EscapeParser(Actions actions) : actions_(std::move(actions)) {}

  // Returns what is meant for the guest and calls the actions for the rest.
  std::vector<std::byte> Filter(std::span<const std::byte> input);

 private:
  Actions actions_;
  bool escaped_ = false;
};

}  // namespace veneer
