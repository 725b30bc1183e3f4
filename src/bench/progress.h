// What is being measured, on stderr, and how long the rest may take.
#pragma once

#include <cstddef>
#include <string>

namespace veneer::bench {

class Progress {
 public:
  // Announces work of so many steps and seconds before it begins.
  void Expect(std::size_t steps, double seconds);
  void Begin(const std::string& what);
  // `outcome`: of what was begun; `seconds` as announced for it.
  void Done(const std::string& outcome, double seconds);
  std::size_t expected() const { return expected_; }
  double seconds_left() const { return seconds_left_; }

 private:
  std::size_t expected_ = 0;
  std::size_t begun_ = 0;
  double seconds_left_ = 0;
};

// "3 min", "40 s".
std::string Duration(double seconds);

}  // namespace veneer::bench
