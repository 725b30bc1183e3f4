// The loop that runs one vCPU and hands its exits to whoever deals with them.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "run_gate.h"
#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/base/thread.h"
#include "veneer/vmm/bus/bus.h"
#include "veneer/vmm/machine/machine.h"
#include "veneer/vmm/machine/stop.h"
#include "veneer/vmm/memory/guest_memory.h"
#include "veneer/vmm/vcpu/vcpu.h"

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
  ThreadKind kind = ThreadKind::kVcpu;
};

// What a task posted to a vCPU is about.
enum class VcpuTask {
  kNmi,
  kClock,
  kStart,
  kXenAttribute,  // each attribute for itself
  kReport,
  kFlush,
  kTake,
  kLook,
};

class VcpuThread {
 public:
  VcpuThread(std::unique_ptr<Vcpu> vcpu, VcpuContext context);
  VcpuThread(const VcpuThread&) = delete;
  VcpuThread& operator=(const VcpuThread&) = delete;
  ~VcpuThread();

  Vcpu& vcpu() { return *vcpu_; }
  // Before Start(). Asked in the order of adding; each exit goes to the first that handles it.
  void AddExitHandler(std::unique_ptr<ExitHandler> handler) {
    exit_handlers_.push_back(std::move(handler));
  }
  // HostError if the host has no room for the thread.
  Result<void> Start();
  // Any thread. Runs `task` on the vCPU's thread before it runs the guest again; at once if called
  // on that thread. One task about a thing (of `kind`, with the number `which`) waits at most,
  // since a guest may cause them faster than its vCPU gets to them: a later one takes its place,
  // behind the others.
  using Task = std::function<void(Vcpu&)>;
  void Post(VcpuTask kind, Task task, unsigned which = 0);
  bool IsCurrentThread() const { return std::this_thread::get_id() == id_.load(); }
  // False: it does not run the guest, and will not before it has done what was posted to it before
  // this was asked. Any thread.
  bool MayRunGuest() const { return may_run_guest_.load(); }
  // Whether the guest has run on this vCPU (an AP has been started). Any thread.
  bool HasRun() const { return has_run_.load(); }
  // The guest has it started, by other means than a SIPI. Any thread.
  void NoteStarted() { has_run_.store(true); }
  // It waits to be started again, whatever it does now: another guest begins. While it is held.
  void ForgetRun() { has_run_.store(false); }
  // Has HasRun() tell the truth, soon, of a vCPU that seldom leaves KVM. Any thread.
  void LookWhetherItRuns();
  // The guest has this vCPU no more: it stops where it is, and its thread waits until GiveBack().
  // Then it awaits its start, as the guest's other vCPUs do at boot. Any thread, also before
  // Start().
  void Take();
  void GiveBack();
  bool taken() const { return taken_.load(); }
  // Any thread.
  VcpuUsage Usage() const;
  // How long the thread has waited for a host CPU although it could have run, ns. Any thread.
  std::uint64_t StolenNs() const { return Usage().stolen_ns; }
  // Any thread.
  void Kick();
  // After the gate was stopped and the vCPU kicked.
  void Join();

  // Deals with one exit on the vCPU's thread. Public for tests.
  void Handle(const VcpuExit& exit);

 private:
  void Loop();
  void RunTasks();
  // Until there is something else to do than to run.
  void WaitWhileTaken();
  bool HandlerTakes(const VcpuExit& exit);
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
  std::vector<std::unique_ptr<ExitHandler>> exit_handlers_;
  VcpuContext context_;
  struct Counters {
    explicit Counters(Metrics& metrics);
    Counter& pio;
    Counter& mmio;
    Counter& msr;
    Counter& assist;
    Counter& interrupted;
  } counters_;
  std::atomic<bool> has_run_{false};
  std::atomic<std::thread::id> id_{};
  std::atomic<int> schedstat_{-1};  // owned; opened by the thread itself
  struct Posted {
    std::pair<VcpuTask, unsigned> about;
    Task task;
  };
  Mutex tasks_mutex_;
  std::vector<Posted> tasks_ GUARDED_BY(tasks_mutex_);
  // One is written before the other is read, by Post() and by the loop, in one order for all
  // threads: so one of the two sees what the other has written.
  std::atomic<bool> tasks_waiting_{false};
  std::atomic<bool> may_run_guest_{false};
  std::atomic<bool> taken_{false};
  Condition kicked_;
  std::thread thread_;
};

}  // namespace veneer
