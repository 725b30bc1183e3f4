// The chart that progressive paravirtualization is known by: bars for emulated, PV and the limit.
#pragma once

#include <string>
#include <vector>

#include "plan.h"

namespace veneer::bench {

// An SVG document with a panel for each run of rows of one panel. A panel whose largest value is
// more than 20 times its smallest has a logarithmic scale, and says so.
std::string ChartSvg(const std::vector<Row>& rows, const std::string& caption);

}  // namespace veneer::bench
