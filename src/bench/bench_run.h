// One call of `veneer bench`, step by step.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "companions.h"
#include "interrupt.h"
#include "plan.h"
#include "progress.h"
#include "results.h"
#include "veneer/bench/bench.h"

namespace veneer::bench {

class BenchRun {
 public:
  BenchRun(const BenchOptions& options, Interrupt interrupt, Results results);

  Result<void> Run();

 private:
  // How many figures of a step are missing, all ways together.
  std::size_t Missing(const Step& step) const;
  Result<void> RunLinux();
  Result<void> RunCompanions();
  Result<void> RunCompanion(const Companion& companion);
  std::vector<Row> Rows() const;
  Result<void> WriteReport();
  Result<void> WritePng(const std::string& svg, const std::string& png);

  const BenchOptions& options_;
  Interrupt interrupt_;
  Results results_;
  Progress progress_;
  std::vector<Step> steps_;            // of the Linux guest, wanted
  std::vector<Companion> companions_;  // wanted
  CompanionScale scale_;
  unsigned rounds_;
  double seconds_;                    // of one of the Linux guest's loads
  std::vector<std::string> missing_;  // what cannot be measured, and why
};

}  // namespace veneer::bench
