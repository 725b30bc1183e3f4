// Small files, read and written whole.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "veneer/vmm/base/result.h"

namespace veneer {

// All of a file, or of a pipe, as a shell's <(COMMAND) is one; of a FIFO that nobody has open for
// writing, nothing, without waiting for somebody. UsageError for a file that cannot be read, is
// larger than `most` bytes, or is neither.
Result<std::string> ReadTextFile(const std::string& path, std::size_t most);

// A reader of a regular file finds the old content or the new one, never half of one; the file
// keeps its owner and mode, and a link to it stays a link. A new file is the owner's alone (0600).
// Whatever else `path` names (a device, a FIFO, /dev/stdout) is not replaced but written to, for at
// most a second. UsageError or HostError.
Result<void> ReplaceFile(const std::string& path, std::string_view text);

}  // namespace veneer
