// Interrupts vCPUs for their event channels, in the way the guest has asked for.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vcpu_thread.h"
#include "veneer/vmm/base/event_fd.h"
#include "veneer/vmm/base/event_loop.h"
#include "veneer/vmm/base/log.h"
#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/bus/interrupt.h"
#include "veneer/vmm/machine/machine_config.h"
#include "veneer/xencompat/domain/machine_hooks.h"
#include "veneer/xencompat/evtchn/upcall_sink.h"

namespace veneer {

// Thread-safe. Per vCPU, a vector of its own wins over the callback method of the whole guest.
class Upcalls final : public UpcallSink {
 public:
  struct Parts {
    MsiSink& msi;
    ResampledLines& lines;
    EventLoop& loop;
    Metrics& metrics;
    // Where the vCPUs are; filled before they run.
    const std::vector<std::unique_ptr<VcpuThread>>& vcpus;
    // EventChannels::UpcallPending().
    std::function<bool(unsigned vcpu)> pending;
  };
  explicit Upcalls(Parts parts, unsigned vcpus);
  Upcalls(const Upcalls&) = delete;
  Upcalls& operator=(const Upcalls&) = delete;
  ~Upcalls() override;

  Result<void> Prepare();
  // KVM injects the EOI-less vector itself, as soon as it finds the vCPU's upcall pending. Before
  // vCPUs run.
  void SetKernelInjects(bool injects) { kernel_injects_ = injects; }
  void SetVector(unsigned vcpu, std::uint8_t vector);
  void SetMethod(const CallbackMethod& method);

  // A new guest begins: it has not said yet how it wants to be interrupted.
  void StartOver();

  // UpcallSink
  void Raise(std::uint32_t vcpu) override;

  // KVM has just made an event pending on `vcpu`: does what KVM cannot, which is to assert a line.
  void OnKernelSend(std::uint32_t vcpu);

  // On the vCPU's thread, before it runs: injects an EOI-less upcall that waits.
  void BeforeRun(unsigned vcpu, Vcpu& target);

  // How each vCPU is interrupted, and what waits, in words.
  std::vector<std::string> Report();

 private:
  struct PerVcpu {
    std::atomic<std::uint8_t> vector{0};
    std::atomic<bool> inject{false};    // an EOI-less upcall waits
    std::atomic<bool> retrying{false};  // a task of the loop will look again
  };
  void RaiseByMethod(unsigned vcpu);
  // Looks again a little later, from the loop.
  void Retry(unsigned vcpu);
  void AttachLine(Gsi gsi) REQUIRES(line_mutex_);
  void DetachLine() REQUIRES(line_mutex_);

  Parts parts_;
  Counter& raised_;
  Counter& retries_;
  std::vector<std::unique_ptr<PerVcpu>> vcpus_;
  std::atomic<std::uint8_t> callback_vector_{0};
  bool kernel_injects_ = false;
  std::atomic<bool> line_attached_{false};
  LogLimiter limiter_;
  Mutex line_mutex_;  // makes a change of the method one step
  std::optional<Gsi> line_gsi_ GUARDED_BY(line_mutex_);
  EventFd assert_;
  EventFd acknowledged_;
};

}  // namespace veneer
