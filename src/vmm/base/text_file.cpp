#include "veneer/vmm/base/text_file.h"

#include <cerrno>
#include <cstdio>
#include <fstream>

namespace veneer {

Result<void> ReplaceFile(const std::string& path, std::string_view text) {
  const std::string temporary = path + ".new";
  std::ofstream file(temporary);
  file << text;
  file.close();
  if (!file || std::rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    static_cast<void>(std::remove(temporary.c_str()));
    return ErrnoError(error, fmt::format("cannot write '{}'", path));
  }
  return {};
}

}  // namespace veneer
