// What people read: a table, and what the host means for it.
#pragma once

#include <string>
#include <vector>

#include "plan.h"
#include "veneer/bench/bench.h"

namespace veneer::bench {

// `missing`: sentences about what could not be measured.
std::string ReportText(const BenchOptions& options, const std::vector<Row>& rows,
                       const std::vector<std::string>& missing);

// "12.3", "0.042", "65 200": three figures that count, at least.
std::string Number(double value);

// The same in few letters, for a chart: "65k", "1.2M".
std::string ShortNumber(double value);

}  // namespace veneer::bench
