// The benchmarks of the back-ends, programs of their own that are built beside veneer: their
// figures go into the same report.
#pragma once

#include <string>
#include <vector>

#include "plan.h"
#include "results.h"

namespace veneer::bench {

struct Companion {
  std::string part;  // of kParts
  std::string name;  // in bench.json
  std::string program;
  std::vector<std::string> arguments;  // but for those that all have
};

struct CompanionScale {
  std::string file;  // for those that need a disk
  unsigned mib = 0;  // its size
  double seconds = 0;
  unsigned rounds = 0;
};

std::vector<Companion> Companions(const CompanionScale& scale);

// About how long it takes.
double CompanionSeconds(const Companion& companion, const CompanionScale& scale);

// The rows of all that have run: those of a micro guest with emulated, PV and limit side by side.
std::vector<Row> CompanionRows(const Results& results);

}  // namespace veneer::bench
