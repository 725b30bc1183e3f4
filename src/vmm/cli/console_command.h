// `veneer console`: a running guest's console in this terminal.
#pragma once

#include <string>

#include <CLI/App.hpp>

#include "guest_address.h"

namespace veneer {

struct ConsoleOptions {
  GuestAddress guest;
  std::string console;  // "serial", "hvc0"; empty: the one that the guest writes to
  bool read_only = false;
};

// Declares the options on `command`; parsing fills `options`, which must outlive it.
void DeclareConsoleOptions(CLI::App& command, ConsoleOptions& options);

// Until the user detaches or the guest ends. Returns the process' exit code.
int ConsoleCommand(const ConsoleOptions& options);

}  // namespace veneer
