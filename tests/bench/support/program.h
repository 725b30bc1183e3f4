// What all benchmark programs do alike.
#pragma once

#include <functional>

#include <CLI/App.hpp>
#include <nlohmann/json.hpp>

#include "veneer/vmm/base/result.h"

namespace veneer::bench {

// Parses the command line with `app`, to which it adds --json FILE, and runs `work`, which prints
// its figures and puts them into `json` for that file. Returns the program's exit status; what went
// wrong has been said.
int RunProgram(CLI::App& app, int argc, char** argv,
               const std::function<Result<void>(nlohmann::json& json)>& work);

}  // namespace veneer::bench
