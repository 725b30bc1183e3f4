// Which way hypercalls and events of a Xen guest take on this host.
#pragma once

#include <cstdint>
#include <string>

#include "veneer/vmm/machine/machine_config.h"

namespace veneer {

struct EventPath {
  // KVM's own Xen support takes hypercalls, sends, timers and polls over. Otherwise hypercalls
  // leave by rewritten call sites and the port page, and Veneer delivers events.
  bool in_kernel = false;
  bool fifo = true;    // the FIFO event channel ABI is offered
  std::string reason;  // why, for the log
};

// `kernel_xen`: this host's KVM can (KvmCapabilities::kernel_xen()). `emulated_kernel`: see
// HostProfile.
EventPath ChooseEventPath(const XenConfig& config, bool kernel_xen, bool emulated_kernel);

// For users: "KVM interception".
std::string TransportName(const EventPath& path);
// "2-level, delivered by KVM".
std::string EventsName(const EventPath& path);

}  // namespace veneer
