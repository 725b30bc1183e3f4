#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <ctime>

#include <sched.h>

#include "load.h"

namespace veneer::bench {
namespace {

constexpr std::size_t kPage = 4096;
// What is touched before it is given back: more than caches hold, less than small guests have.
constexpr std::size_t kStretch = std::size_t{64} << 20U;  // bytes

// Keeps the calling thread on the N-th processor that it may use; false if there are fewer.
bool StayOn(unsigned number) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
    return false;
  }
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &allowed) && number-- == 0) {
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(cpu, &one);
      return sched_setaffinity(0, sizeof one, &one) == 0;
    }
  }
  return false;
}

struct Pipe {
  Pipe() : good(pipe(ends.data()) == 0) {}
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    if (good) {
      close(ends[0]);
      close(ends[1]);
    }
  }
  std::array<int, 2> ends{};
  const bool good;
};

bool Pass(int from, int to) {
  char byte = 0;
  return read(from, &byte, 1) == 1 && write(to, &byte, 1) == 1;
}

}  // namespace

LoadResult RunMemoryLoad(std::uint64_t ns) {
  LoadResult result;
  const std::uint64_t start = NowNs();
  do {
    void* const memory =
        mmap(nullptr, kStretch, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      return LoadFailure("get memory");
    }
    madvise(memory, kStretch, MADV_NOHUGEPAGE);
    for (std::size_t at = 0; at < kStretch; at += kPage) {
      static_cast<volatile char*>(memory)[at] = 1;
      ++result.operations;
    }
    munmap(memory, kStretch);
    result.bytes += kStretch;
  } while (NowNs() - start < ns);
  result.ns = NowNs() - start;
  return result;
}

LoadResult RunPipeLoad(std::uint64_t ns) {
  Pipe there;
  Pipe back;
  if (!there.good || !back.good) {
    return LoadFailure("make a pipe");
  }
  const pid_t other = fork();
  if (other < 0) {
    return LoadFailure("fork");
  }
  if (other == 0) {
    StayOn(1);
    while (Pass(there.ends[0], back.ends[1])) {
    }
    _exit(0);
  }
  cpu_set_t before;
  sched_getaffinity(0, sizeof before, &before);
  StayOn(0);
  LoadResult result;
  const std::uint64_t start = NowNs();
  const char byte = 0;
  bool good = write(there.ends[1], &byte, 1) == 1;
  while (good && NowNs() - start < ns) {
    good = Pass(back.ends[0], there.ends[1]);
    ++result.operations;
  }
  result.ns = NowNs() - start;
  kill(other, SIGKILL);
  waitpid(other, nullptr, 0);
  sched_setaffinity(0, sizeof before, &before);
  return good ? result : LoadFailure("pass a byte on");
}

LoadResult RunTimerLoad(std::uint64_t ns) {
  LoadResult result;
  const std::uint64_t start = NowNs();
  do {
    constexpr timespec kWait{.tv_sec = 0, .tv_nsec = kTimerWaitNs};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &kWait, nullptr);
    ++result.operations;
  } while (NowNs() - start < ns);
  result.ns = NowNs() - start;
  return result;
}

}  // namespace veneer::bench
