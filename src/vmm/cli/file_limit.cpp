#include "file_limit.h"

#include <sys/resource.h>

#include <algorithm>

namespace veneer {

void RaiseFileLimit() {
  constexpr rlim_t kWanted = 16384;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < kWanted) {
    limit.rlim_cur = std::min(limit.rlim_max, kWanted);
    // Without it there are as many as there were.
    static_cast<void>(setrlimit(RLIMIT_NOFILE, &limit));
  }
}

}  // namespace veneer
