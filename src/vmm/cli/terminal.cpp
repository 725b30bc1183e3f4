#include "terminal.h"

#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "veneer/vmm/base/log.h"

namespace veneer {
namespace {

// Those that do not end a program by themselves, or cannot be caught.
constexpr std::array kHarmlessSignals{SIGKILL,  SIGSTOP, SIGCHLD, SIGCONT, SIGURG,
                                      SIGWINCH, SIGTSTP, SIGTTIN, SIGTTOU};

// Signal handlers and atexit functions reach only globals.
termios saved_settings;
volatile sig_atomic_t raw_mode = 0;

// Whether the terminal is ours to set now: a shell that has put us into the background has settings
// of its own, and would have us stopped for touching them (SIGTTOU). Safe in signal handlers.
bool InForeground() { return tcgetpgrp(STDIN_FILENO) == getpgrp(); }

void Restore() {
  if (raw_mode != 0) {
    raw_mode = 0;
    if (InForeground()) {
      tcsetattr(STDIN_FILENO, TCSANOW, &saved_settings);
    }
  }
}

void RestoreAndDie(int signal_number) {
  Restore();
  raise(signal_number);  // SA_RESETHAND: this time with the default action
}

// Whatever would end the process without a word: SIGQUIT, SIGALRM, SIGSEGV and all the others that
// nobody has a use for.
void RestoreOnFatalSignals() {
  for (int number = 1; number <= SIGRTMAX; ++number) {
    struct sigaction present {};
    if (std::find(kHarmlessSignals.begin(), kHarmlessSignals.end(), number) !=
            kHarmlessSignals.end() ||
        sigaction(number, nullptr, &present) != 0 || (present.sa_flags & SA_SIGINFO) != 0 ||
        present.sa_handler != SIG_DFL) {
      continue;
    }
    struct sigaction action {};
    action.sa_handler = RestoreAndDie;
    action.sa_flags = SA_RESETHAND | SA_NODEFER;
    sigaction(number, &action, nullptr);
  }
}

}  // namespace

RawTerminal::RawTerminal() {
  if (isatty(STDIN_FILENO) == 0 || tcgetattr(STDIN_FILENO, &saved_settings) != 0) {
    return;
  }
  static const bool registered = std::atexit(Restore) == 0;
  static_cast<void>(registered);
  RestoreOnFatalSignals();
  terminal_ = true;
  MakeRaw();
}

RawTerminal::~RawTerminal() { MakeCooked(); }

void RawTerminal::MakeRaw() {
  if (!terminal_ || !InForeground()) {
    return;
  }
  termios raw = saved_settings;
  cfmakeraw(&raw);
  active_ = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
  raw_mode = active_ ? 1 : 0;
  SetLogTerminalRaw(active_);
}

void RawTerminal::MakeCooked() {
  if (active_) {
    active_ = false;
    Restore();
    SetLogTerminalRaw(false);
  }
}

void RawTerminal::Suspend() {
  MakeCooked();
  StopOurselves();
  MakeRaw();
}

void StopOurselves() {
  sigset_t stop;
  sigset_t before;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTSTP);
  // With its default action, so that the kernel's exceptions hold (a process that no shell would
  // ever continue is not stopped).
  kill(getpid(), SIGTSTP);
  pthread_sigmask(SIG_UNBLOCK, &stop, &before);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

std::vector<std::byte> EscapeParser::Filter(std::span<const std::byte> input) {
  constexpr std::byte kCtrlA{0x01};
  std::vector<std::byte> output;
  output.reserve(input.size());
  for (const std::byte key : input) {
    if (!escaped_) {
      if (key == kCtrlA) {
        escaped_ = true;
      } else {
        output.push_back(key);
      }
      continue;
    }
    escaped_ = false;
    switch (static_cast<char>(key)) {
      case 'x':
        actions_.quit();
        break;
      case 'p':
        actions_.power_button();
        break;
      case 'h':
      case '?':
        actions_.help();
        break;
      case 'a':
      case '\x01':
        output.push_back(kCtrlA);
        break;
      default:
        break;  // as QEMU: an unknown key after Ctrl-A is swallowed
    }
  }
  return output;
}

}  // namespace veneer
