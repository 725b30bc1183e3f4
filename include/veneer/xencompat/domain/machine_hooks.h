// What the Xen domain needs from the machine around it.
#pragma once

#include <cstdint>
#include <variant>

#include "veneer/vmm/bus/interrupt.h"
#include "veneer/vmm/memory/gpa.h"
#include "veneer/xencompat/abi/xen_headers.h"

namespace veneer {

// How the guest wants to hear about events when a vCPU has no upcall vector of its own
// (HVM_PARAM_CALLBACK_IRQ in xen/hvm/params.h).
struct CallbackNone {};
struct CallbackGsi {
  Gsi gsi;
};
// A pin of a PCI function on bus 0.
struct CallbackPciIntx {
  std::uint8_t device = 0;
  std::uint8_t pin = 0;  // 0 is INTA
};
// Injected into every vCPU without an EOI.
struct CallbackVector {
  std::uint8_t vector = 0;
};
using CallbackMethod = std::variant<CallbackNone, CallbackGsi, CallbackPciIntx, CallbackVector>;

// SHUTDOWN_* in xen/sched.h.
enum class ShutdownReason : std::uint8_t {
  kPoweroff = 0,
  kReboot = 1,
  kSuspend = 2,
  kCrash = 3,
  kWatchdog = 4,
  kSoftReset = 5,
};

// Implemented by the machine. Calls come from vCPU threads (several at once) and, for Shutdown(),
// from the timer's thread; no lock of the Xen areas is held. vCPU numbers are always valid.
class XenMachineHooks {
 public:
  virtual ~XenMachineHooks() = default;

  // The vCPU's own upcall vector, 0x10 or above: an ordinary local APIC interrupt.
  virtual void SetUpcallVector(unsigned vcpu, std::uint8_t vector) = 0;
  virtual void SetCallback(const CallbackMethod& method) = 0;

  // The guest is done, or suspends. A reason that Xen does not define arrives as kCrash. The vCPU
  // that asked gets its hypercall's result if it is ever run again.
  virtual void Shutdown(ShutdownReason reason) = 0;
  // Suspends the guest and returns when it goes on: true if it was resumed, false if the suspend
  // was cancelled or is not offered.
  virtual bool Suspend() = 0;

  // Has KVM keep the vCPU's PV clock at `time`, a vcpu_time_info; it stays mapped.
  virtual void EnableVcpuTime(unsigned vcpu, Gpa time) = 0;

  virtual void InjectNmi(unsigned vcpu) = 0;
  // Has every vCPU forget the translations that it remembers before it runs the guest again, on
  // the thread of `caller`. False: some may still run with old ones; to be asked again.
  virtual bool FlushTlbs(unsigned caller) = 0;
  // Whether the vCPU has been started (by SIPI or StartVcpu(), or as the boot CPU).
  virtual bool IsOnline(unsigned vcpu) = 0;
  // Starts a vCPU that is not online with these registers, which have been checked; it is online
  // from now on. False, without effect: the host has not given the guest this vCPU.
  virtual bool StartVcpu(unsigned vcpu, const vcpu_hvm_context_t& context) = 0;
  // How long the vCPU's thread has waited for a host CPU while it could have run, over its life,
  // ns.
  virtual std::uint64_t StolenNs(unsigned vcpu) = 0;
};

}  // namespace veneer
