// What the files of a seed hold.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "veneer/host/seed/seed.h"
#include "veneer/vmm/base/result.h"

namespace veneer {

struct SeedFile {
  const char* name;
  std::string content;
};

// As MakeSeed().
Result<std::vector<SeedFile>> SeedFiles(const SeedConfig& config, std::string_view name);

}  // namespace veneer
