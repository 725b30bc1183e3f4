// The loop that runs one vCPU and hands its exits to whoever deals with them.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "run_gate.h"
#include "veneer/base/metrics.h"
#include "veneer/bus/bus.h"
#include "veneer/kvm/vcpu.h"
#include "veneer/machine/stop.h"
#include "veneer/memory/guest_memory.h"

namespace veneer {

// What a vCPU needs of its machine. All must outlive the thread.
struct VcpuContext {
  RunGate& gate;
  Bus& ports;
  Bus& mmio;
  GuestMemory& memory;
  Metrics& metrics;
  // Ends the machine; returns at once.
  std::function<void(MachineStop)> request_stop;
};

class VcpuThread {
 public:
  // `assist` may be nullptr.
  VcpuThread(std::unique_ptr<Vcpu> vcpu, std::unique_ptr<VcpuAssist> assist, VcpuContext context);
  VcpuThread(const VcpuThread&) = delete;
  VcpuThread& operator=(const VcpuThread&) = delete;
  ~VcpuThread();

  Vcpu& vcpu() { return *vcpu_; }
  void Start();
  // Any thread.
  void Kick() { vcpu_->Kick(); }
  // After the gate was stopped and the vCPU kicked.
  void Join();

  // Deals with one exit on the vCPU's thread. Public for tests.
  void Handle(const VcpuExit& exit);

 private:
  void Loop();
  void On(const PioExit& exit);
  void On(const MmioExit& exit);
  void On(const MsrExit& exit);
  void On(const EmulationFailureExit& exit);
  void On(const DebugExit& exit);
  void On(const HaltExit& exit);
  void On(const ShutdownExit& exit);
  void On(const InterruptedExit& exit);
  void On(const XenHypercallExit& exit);
  void On(const FatalExit& exit);

  std::unique_ptr<Vcpu> vcpu_;
  std::unique_ptr<VcpuAssist> assist_;
  VcpuContext context_;
  struct Counters {
    explicit Counters(Metrics& metrics);
    Counter& pio;
    Counter& mmio;
    Counter& msr;
    Counter& assist;
    Counter& interrupted;
  } counters_;
  std::thread thread_;
};

}  // namespace veneer
