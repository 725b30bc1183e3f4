#include "progress.h"

#include <cstdio>

#include <fmt/core.h>

namespace veneer::bench {

void Progress::Expect(std::size_t steps, double seconds) {
  expected_ += steps;
  seconds_left_ += seconds;
}

void Progress::Begin(const std::string& what) {
  fmt::print(stderr, "[{:>3}/{}] {} ... ", ++begun_, expected_, what);
  static_cast<void>(std::fflush(stderr));
}

void Progress::Done(const std::string& outcome, double seconds) {
  seconds_left_ -= seconds;
  fmt::print(stderr, "{}{}\n", outcome,
             begun_ < expected_ ? fmt::format("  (about {} left)", Duration(seconds_left_)) : "");
}

std::string Duration(double seconds) {
  return seconds < 90 ? fmt::format("{:.0f} s", seconds) : fmt::format("{:.0f} min", seconds / 60);
}

}  // namespace veneer::bench
