// Small files, read and written whole.
#pragma once

#include <string>
#include <string_view>

#include "veneer/vmm/base/result.h"

namespace veneer {

// A reader finds the old file or the new one, never half of one. HostError.
Result<void> ReplaceFile(const std::string& path, std::string_view text);

}  // namespace veneer
