// `veneer bench`: emulated devices, PV devices and the host, measured with the same loads.
#pragma once

#include <CLI/App.hpp>

#include "veneer/bench/bench.h"

namespace veneer {

void DeclareBenchOptions(CLI::App& command, bench::BenchOptions& options);

// Returns the process' exit code.
int BenchCommand(bench::BenchOptions options);

}  // namespace veneer
