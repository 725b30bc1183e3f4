// Metrics in Prometheus's text format, version 0.0.4.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace veneer {

// Collects samples in any order; Text() has those of a family together, as the format wants it.
class Exposition {
 public:
  using Labels = std::vector<std::pair<std::string_view, std::string>>;

  // `common` stands before the labels of each sample.
  explicit Exposition(Labels common) : common_(std::move(common)) {}

  // The family's name ends in _total.
  void Counter(std::string_view family, std::string_view help, const Labels& labels,
               std::uint64_t value);
  void CounterOfSeconds(std::string_view family, std::string_view help, const Labels& labels,
                        double value);
  void Gauge(std::string_view family, std::string_view help, const Labels& labels, double value);
  void Untyped(std::string_view family, std::string_view help, const Labels& labels,
               std::uint64_t value);
  // `counts` by upper bound in seconds, each without those of lower bounds; `rest`: above them all.
  void Histogram(std::string_view family, std::string_view help, const Labels& labels,
                 const std::map<double, std::uint64_t>& counts, std::uint64_t rest, double sum);

  std::string Text() const;

 private:
  struct Family {
    std::string_view type;
    std::string help;
    std::vector<std::string> lines;
  };
  void Add(std::string_view family, std::string_view type, std::string_view help, std::string line);
  std::string Sample(std::string_view name, const Labels& labels, std::string_view value) const;

  const Labels common_;
  std::map<std::string, Family, std::less<>> families_;
};

}  // namespace veneer
