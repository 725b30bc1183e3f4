// Small files, written whole.
#pragma once

#include <string>
#include <string_view>

#include "veneer/vmm/base/result.h"

namespace veneer {

// A reader of a regular file finds the old content or the new one, never half of one; the file
// keeps its owner and mode, and a link to it stays a link. A new file is the owner's alone (0600).
// Whatever else `path` names (a device, a FIFO, /dev/stdout) is not replaced but written to, for at
// most a second. UsageError or HostError.
Result<void> ReplaceFile(const std::string& path, std::string_view text);

}  // namespace veneer
