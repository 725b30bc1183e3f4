// /dev/kvm itself: whether it can be used, and what it can do.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/base/unique_fd.h"
#include "veneer/vmm/kvm/kernel_xen.h"
#include "veneer/vmm/vcpu/cpuid.h"

namespace veneer {

// What this host's KVM offers, as far as Veneer cares.
struct KvmCapabilities {
  int api_version = 0;
  unsigned max_vcpus = 0;
  bool user_memory = false;
  bool irqchip = false;
  bool split_irqchip = false;
  bool irqfd = false;
  bool ioeventfd = false;
  bool signal_msi = false;
  bool immediate_exit = false;
  bool user_space_msr = false;
  bool msr_filter = false;
  bool sync_registers = false;
  bool guest_debug = false;
  bool adjust_clock = false;
  bool emulation_failure_details = false;
  bool binary_stats = false;
  bool tsc_deadline_timer = false;
  bool readonly_memory = false;
  bool dirty_ring = false;
  bool pmu = false;  // guests may have performance counters; false too if KVM does not say
  std::uint32_t xen_flags = 0;  // KVM_XEN_HVM_CONFIG_* bits; 0: KVM knows nothing of Xen

  // KVM can take Xen's hypercalls and events over (see KernelXen).
  bool kernel_xen() const { return (xen_flags & kXenFlagsNeeded) == kXenFlagsNeeded; }
};

// Thread-safe.
class KvmSystem {
 public:
  // HostError says what to do: load the module, get the permission, use a newer kernel.
  // `path` is /dev/kvm but for tests.
  static Result<std::unique_ptr<KvmSystem>> Open(const std::string& path = "/dev/kvm");

  const KvmCapabilities& capabilities() const { return capabilities_; }
  int fd() const { return fd_.get(); }
  // What KVM can show a guest, KVM's own leaves at 0x40000000 included.
  Result<CpuidTable> SupportedCpuid() const;

 private:
  KvmSystem() = default;
  int Check(int capability) const;
  Result<void> ReadCapabilities();

  UniqueFd fd_;
  KvmCapabilities capabilities_;
};

}  // namespace veneer
