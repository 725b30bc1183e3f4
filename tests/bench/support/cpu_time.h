// CPU time used, user and kernel together.
#pragma once

#include <sys/resource.h>

namespace veneer::bench {

inline double CpuSeconds(int who) {
  rusage usage{};
  getrusage(who, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}
inline double ProcessCpuSeconds() { return CpuSeconds(RUSAGE_SELF); }
inline double ThreadCpuSeconds() { return CpuSeconds(RUSAGE_THREAD); }

}  // namespace veneer::bench
