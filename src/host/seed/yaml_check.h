// Whether a text is YAML of the kind that cloud-init reads.
#pragma once

#include <string_view>

#include "veneer/vmm/base/result.h"

namespace veneer {

// A mapping on top, such as "key: value", or nothing but comments. UsageError with the line if not.
Result<void> CheckYamlMapping(std::string_view text);

}  // namespace veneer
