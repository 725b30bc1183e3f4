// The figures of one measured quantity: one per round, reported by their median.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace veneer::bench {

class Samples {
 public:
  // What ToJson() made; empty if `json` is nothing of the kind.
  static Samples FromJson(const nlohmann::json& json);

  void Add(double value) { values_.push_back(value); }
  // Every value by `factor`, for another unit.
  Samples Times(double factor) const;

  std::size_t count() const { return values_.size(); }
  // Need at least one value.
  double Median() const;
  double Min() const;
  double Max() const;

  // "7.31 [7.02..8.80]": median and range.
  std::string Text(int decimals) const;
  // {"median": …, "min": …, "max": …, "samples": […]}
  nlohmann::json ToJson() const;

 private:
  std::vector<double> values_;
};

}  // namespace veneer::bench
