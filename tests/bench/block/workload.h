// What is asked of a disk, and what came of it.
#pragma once

#include <cstdint>
#include <string>

namespace veneer::bench {

struct Workload {
  std::string name;
  bool write = false;
  bool random = false;
  bool direct = false;
  std::uint32_t block_bytes = 4096;  // a multiple of 4096, at most 1 MiB
  unsigned depth = 1;                // requests under way
};

// Per second and per request, over one run.
struct Outcome {
  double requests_per_second = 0;
  double latency_us = 0;  // mean, from handing a request in to having its answer
  double cpu_us = 0;      // of whoever does the work, per request; 0: not measured
  double kicks = 0;       // per request; ours only, as are the following
  double upcalls = 0;
  double exits = 0;  // of an emulated disk's registers
};

struct Disk {
  std::string path;
  std::uint64_t bytes = 0;
  bool emulated = false;  // an IDE disk, whose driver is a guest's
  double seconds = 2;     // per run
  unsigned poll_us = 50;
  bool front_sleeps = false;    // the front-end waits for upcalls instead of looking first
  unsigned guest_poll_us = 50;  // how long a guest looks before it waits for one
};

}  // namespace veneer::bench
