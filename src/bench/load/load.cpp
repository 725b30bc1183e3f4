#include "load.h"

#include <cerrno>
#include <cstring>
#include <ctime>

namespace veneer::bench {

std::uint64_t NowNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

LoadResult LoadFailure(const std::string& what) {
  const int error = errno;
  return {.error = "cannot " + what + ": " + std::strerror(error)};
}

}  // namespace veneer::bench
