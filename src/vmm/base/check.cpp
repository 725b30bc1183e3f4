#include "veneer/vmm/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace veneer {

void CheckFailed(const char* condition, const char* file, int line) {
  // Plain stdio: whatever broke may have broken the log too.
  static_cast<void>(
      std::fprintf(stderr, "veneer: bug: %s:%d: check failed: %s\n", file, line, condition));
  std::abort();
}

}  // namespace veneer
