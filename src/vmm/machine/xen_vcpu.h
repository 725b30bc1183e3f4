// The part of a vCPU's exits that are Xen's: hypercalls by port, by KVM's own interception, and the
// MSR that places the hypercall page.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>

#include "kernel_watch.h"
#include "run_gate.h"
#include "upcalls.h"
#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/vcpu/vcpu.h"
#include "veneer/xencompat/domain/xen_domain.h"
#include "veneer/xencompat/entry/hypercall_page.h"
#include "veneer/xencompat/hypercall/guest_virtual_memory.h"
#include "veneer/xencompat/hypercall/hypercalls.h"

namespace veneer {

class XenVcpu final : public ExitHandler {
 public:
  struct Parts {
    XenDomain& domain;
    Hypercalls& hypercalls;
    Upcalls& upcalls;
    GuestMemory& memory;
    RunGate& gate;
    Metrics& metrics;
    KernelWatch& kernel_watch;
    // The guest-physical address at which KVM keeps this vCPU's clock, 0 for none.
    const std::atomic<std::uint64_t>& clock;
    // How many guests have begun here.
    const std::atomic<unsigned>& life;
    // KVM intercepts hypercalls by this instruction; nothing: they leave by the ports.
    std::optional<HypercallInstruction> intercepted{};
    // The guest has started this vCPU, or it has been taken from the guest. On its thread.
    std::function<void(bool online)> on_change{};
  };
  XenVcpu(Parts parts, Vcpu& vcpu);

  Outcome OnExit(Vcpu& vcpu, const VcpuExit& exit) override;
  void BeforeRun(Vcpu& vcpu) override;
  void AfterPause(Vcpu& vcpu) override;
  void OnTaken(Vcpu& vcpu) override;

 private:
  struct Mode {
    bool long_mode;
    std::uint8_t cpl;
  };
  static Mode ModeOf(Vcpu& vcpu);
  // Carries a call out. A long one comes in slices; after each, the machine may pause or end.
  CallResult Dispatch(HypercallFrame& frame);
  Outcome OnPort(Vcpu& vcpu, const PioExit& exit);
  void OnCallPort(Vcpu& vcpu);
  void OnSendPort(Vcpu& vcpu, std::uint32_t port);
  Outcome OnMsr(Vcpu& vcpu, const MsrExit& exit);
  bool PlaceHypercallPage(Vcpu& vcpu, std::uint64_t value);
  void OnIntercept(const XenHypercallExit& exit);

  const Parts parts_;
  const unsigned id_;
  PagedGuestMemory virtual_memory_;
  Counter& calls_;
  Counter& sends_;
  std::uint64_t refreshed_ns_ = 0;
  bool started_ = false;
  unsigned life_ = 0;
};

}  // namespace veneer
