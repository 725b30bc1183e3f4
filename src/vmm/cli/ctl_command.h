// `veneer ctl`: asks a running guest for something.
#pragma once

#include <string>
#include <string_view>

#include <CLI/App.hpp>

#include "guest_address.h"
#include "veneer/vmm/base/result.h"

namespace veneer {

struct CtlOptions {
  GuestAddress guest;
  std::string command;
  std::string argument;  // what the command needs, see ControlCommand
  bool debug = false;
  bool prometheus = false;
  bool json = false;
};

// Declares the options on `command`; parsing fills `options`, which must outlive it.
void DeclareCtlOptions(CLI::App& command, CtlOptions& options);

// The request that goes over the socket. UsageError for an argument that is missing, wrong or too
// much.
Result<std::string> CtlRequest(const CtlOptions& options);

// What the user sees of a reply: text for stdout (empty or whole lines), or the guest's refusal as
// an error.
Result<std::string> CtlOutput(const CtlOptions& options, std::string_view reply);

// Carries it out. Returns the process' exit code.
int CtlCommand(const CtlOptions& options);

}  // namespace veneer
