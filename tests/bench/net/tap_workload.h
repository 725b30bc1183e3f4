// What is measured over a tap, and what came out.
#pragma once

#include <cstddef>
#include <string>

namespace veneer::bench {

struct TapWorkload {
  std::string name;
  bool to_host = false;         // else from the host
  std::size_t frame_bytes = 0;  // Ethernet header included
  bool segmented = false;       // TCP to be cut into segments of 1448 bytes
  unsigned poll_us = 50;        // of the back-end
  bool front_sleeps =
      false;  // in process, sending: until an upcall, instead of looking at its ring
  unsigned guest_poll_us = 50;  // how long a micro guest looks before it waits for an interrupt
  bool emulated = false;        // a micro guest's NIC is an e1000
};

struct TapOutcome {
  double frames_per_second = 0;
  double frame_bytes = 0;  // mean, if it is not what the workload says: some are cut on their way
  double cpu_us = 0;       // CPU time per frame, of all but the other end of the tap
  double kicks = 0;        // per frame; 0 for a plain process
  double upcalls = 0;
  double exits = 0;  // of an emulated NIC's registers
};

}  // namespace veneer::bench
