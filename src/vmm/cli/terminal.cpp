#include "terminal.h"

#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "veneer/vmm/base/log.h"

namespace veneer {
namespace {

constexpr std::array kFatalSignals{SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE};

// Signal handlers and atexit functions reach only globals.
termios saved_settings;
volatile sig_atomic_t raw_mode = 0;

void Restore() {
  if (raw_mode != 0) {
    raw_mode = 0;
    tcsetattr(STDIN_FILENO, TCSANOW, &saved_settings);
  }
}

void RestoreAndDie(int signal_number) {
  Restore();
  raise(signal_number);  // SA_RESETHAND: this time with the default action
}

}  // namespace

RawTerminal::RawTerminal() {
  if (isatty(STDIN_FILENO) == 0 || tcgetattr(STDIN_FILENO, &saved_settings) != 0) {
    return;
  }
  static const bool registered = std::atexit(Restore) == 0;
  static_cast<void>(registered);
  for (const int signal_number : kFatalSignals) {
    struct sigaction action {};
    action.sa_handler = RestoreAndDie;
    action.sa_flags = SA_RESETHAND | SA_NODEFER;
    sigaction(signal_number, &action, nullptr);
  }
  termios raw = saved_settings;
  cfmakeraw(&raw);
  active_ = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
  raw_mode = active_ ? 1 : 0;
  SetLogTerminalRaw(active_);
}

RawTerminal::~RawTerminal() {
  if (active_) {
    Restore();
    SetLogTerminalRaw(false);
  }
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
