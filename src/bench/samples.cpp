#include "samples.h"

#include <algorithm>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace veneer::bench {

Samples Samples::FromJson(const nlohmann::json& json) {
  Samples samples;
  if (json.is_object() && json.contains("samples")) {
    for (const nlohmann::json& value : json["samples"]) {
      if (value.is_number()) {
        samples.Add(value.get<double>());
      }
    }
  }
  return samples;
}

Samples Samples::Times(double factor) const {
  Samples scaled = *this;
  for (double& value : scaled.values_) {
    value *= factor;
  }
  return scaled;
}

double Samples::Median() const {
  std::vector<double> sorted = values_;
  std::sort(sorted.begin(), sorted.end());
  const std::size_t middle = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

double Samples::Min() const { return *std::min_element(values_.begin(), values_.end()); }

double Samples::Max() const { return *std::max_element(values_.begin(), values_.end()); }

std::string Samples::Text(int decimals) const {
  return fmt::format("{:.{}f} [{:.{}f}..{:.{}f}]", Median(), decimals, Min(), decimals, Max(),
                     decimals);
}

nlohmann::json Samples::ToJson() const {
  return {{"median", Median()}, {"min", Min()}, {"max", Max()}, {"samples", values_}};
}

}  // namespace veneer::bench
