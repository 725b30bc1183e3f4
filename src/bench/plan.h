// The loads of the Linux guest, and what is compared.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "load/load.h"
#include "samples.h"

namespace veneer::bench {

// Whose disk or network bears the load.
enum class Way { kEmulated, kPv, kLimit };
inline constexpr std::array kWays{Way::kEmulated, Way::kPv, Way::kLimit};
// For files and for people: "emulated", "pv", "limit".
const char* WayName(Way way);

struct DiskShape {
  bool write = false;
  bool random = false;
  std::uint32_t block_bytes = 0;
  unsigned depth = 1;
};

// A load that all three ways get in turn.
struct Step {
  std::string part;   // of kParts
  std::string panel;  // of the chart
  std::string title;  // unique
  std::string unit;
  std::variant<DiskShape, NetKind> shape;

  // The figure, in `unit`.
  double Figure(const LoadResult& result) const;
};
std::vector<Step> LinuxSteps();

// A line of the report, and a group of bars of its chart.
struct Row {
  std::string panel;
  std::string title;
  std::string unit;
  std::map<Way, Samples> values;  // none is empty
};

}  // namespace veneer::bench
