// The options of `veneer run`, taken from a line of text.
#pragma once

#include <string>

#include <gtest/gtest.h>

#include "src/vmm/cli/run_options.h"

namespace veneer {

class RunOptionsTest : public ::testing::Test {
 protected:
  RunOptionsTest() { DeclareRunOptions(app_, options_); }
  void Parse(const std::string& line) { app_.parse(line); }
  std::string Refusal(const std::string& line) {
    try {
      Parse(line);
    } catch (const CLI::ParseError& error) {
      return error.what();
    }
    return "(accepted)";
  }

  CLI::App app_;
  RunOptions options_;
};

}  // namespace veneer
