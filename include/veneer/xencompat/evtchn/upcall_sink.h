// How event channels reach a vCPU, without knowing about vectors, MSIs or INTx.
#pragma once

#include <cstdint>

namespace veneer {

// Implemented by the machine. Called from any thread, with no lock held.
class UpcallSink {
 public:
  virtual ~UpcallSink() = default;
  // evtchn_upcall_pending of `vcpu` went from 0 to 1: interrupt it.
  //
  // This is the only call until the guest has cleared that byte, so the sink must not lose it. If
  // the vCPU cannot take the interrupt (no vector set yet, its local APIC is still disabled), the
  // sink remembers that and tries again for as long as EventChannels::UpcallPending(vcpu) says so.
  virtual void Raise(std::uint32_t vcpu) = 0;
};

}  // namespace veneer
