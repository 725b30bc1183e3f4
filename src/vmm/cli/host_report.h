// What this host can do for guests, as facts with what follows from each.
#pragma once

#include <string>
#include <vector>

#include "veneer/vmm/kvm/host_probe.h"
#include "veneer/vmm/kvm/kvm_system.h"

namespace veneer {

struct HostFact {
  std::string key;      // stable, for JSON: "kvm.api_version"
  std::string subject;  // for people
  std::string finding;
  std::string consequence;
};

// Host facts beside KVM, each found out by trying or by reading what the kernel says.
struct HostResources {
  bool io_uring = false;
  bool call_filters = false;  // of the sandbox
  bool landlock = false;      // the same
  bool tap = false;
  std::string tap_problem;  // why not, if not
  std::string huge_pages;   // the kernel's transparent_hugepage/enabled, "" if it has none
};
HostResources ProbeResources();

std::vector<HostFact> HostFacts(const KvmCapabilities& capabilities, const HostProfile& profile,
                                const HostResources& resources);

}  // namespace veneer
