// The programs that run the same guest: Veneer and its peers.
#pragma once

#include <string>
#include <vector>

#include "veneer/vmm/base/result.h"

namespace veneer::bench {

// What they all give their guest.
struct GuestPlan {
  std::string kernel;
  std::string initrd;  // runs veneer-load, with modules for PV and virtio devices
  std::string disk;    // a raw image
  std::string tap;     // the interface's name; made by the VMM
  std::string mac;
  unsigned cpus = 1;
  unsigned memory_mib = 768;
};

struct Vmm {
  std::string name;
  std::string program;  // a path
  std::vector<std::string> arguments;
  std::string disk;  // in the guest
};

// Those that can run here, Veneer first. `missing` has a sentence for each that cannot.
std::vector<Vmm> PlanVmms(const GuestPlan& guest, std::vector<std::string>& missing);

}  // namespace veneer::bench
