// What tests with micro guests (guests/micro) share.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "integration/environment.h"

namespace veneer::test {

inline constexpr char kMicro64[] = VENEER_MICRO64;
inline constexpr char kMicro32[] = VENEER_MICRO32;
// A micro guest takes a second or two; this only ends one that hangs.
inline constexpr char kMicroSeconds[] = "60";

// "veneer run" for a micro guest with these words on its command line.
inline std::vector<std::string> MicroCommand(const std::string& kernel, const std::string& words,
                                             const std::vector<std::string>& options) {
  std::vector<std::string> argv = RunCommand(
      kernel, words, {"--serial", "stdio", "--memory", "64M", "--timeout", kMicroSeconds});
  if (kernel == kMicro64) {
    argv.insert(argv.end(), {"--entry", "pvh"});
  }
  argv.insert(argv.end(), options.begin(), options.end());
  return argv;
}

// Whether the file's first `bytes` are what the guest writes: BlockPattern() of
// guests/micro/block_plan.h.
inline bool HoldsPattern(const std::string& path, std::uint64_t bytes) {
  std::ifstream file(path, std::ios::binary);
  for (std::uint64_t at = 0; at < bytes; at += sizeof at) {
    std::array<char, sizeof at> data{};
    std::uint64_t word = 0;
    file.read(data.data(), data.size());
    std::memcpy(&word, data.data(), sizeof word);
    if (!file || word != (at / 8 + 1) * 0x9e3779b97f4a7c15) {
      return false;
    }
  }
  return true;
}

}  // namespace veneer::test
