// The configuration file of `veneer run` (TOML 1.0): options by their names, without the dashes.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "veneer/vmm/base/result.h"

namespace veneer {

// An option that a file may hold.
struct ConfigOption {
  std::string name;     // "memory"
  std::string section;  // "guest": the only [section] it may stand in; it may always stand in none
  bool repeatable = false;
};

// What a file says about one option.
struct ConfigEntry {
  std::string option;
  std::vector<std::string> values;  // as on the command line; several for a repeatable option only
  std::string place;                // "guest.toml, line 3"
};

// `path` is what errors call the text. Texts are taken as they are, numbers and true and false (as
// on and off) too. A repeatable option takes a text, an array of them, or tables (`[[disk]]`),
// whose keys and values become a list of options: `path = "a,b.img"` is path=a,,b.img, an array
// repeats its key, and `link` (of a NIC) stands first without its key. UsageError with the line;
// for an unknown option or section with the nearest known one.
Result<std::vector<ConfigEntry>> ParseConfig(std::string_view text, const std::string& path,
                                             std::span<const ConfigOption> options);

// The same for a file of 1 MiB at most. UsageError if it cannot be read.
Result<std::vector<ConfigEntry>> ReadConfigFile(const std::string& path,
                                                std::span<const ConfigOption> options);

}  // namespace veneer
