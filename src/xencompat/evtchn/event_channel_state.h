// Everything behind EventChannels: tables, ABI, locks, and the steps its operations share.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "fifo.h"
#include "host_endpoint.h"
#include "pollers.h"
#include "port_table.h"
#include "two_level.h"
#include "vcpu_infos.h"
#include "veneer/vmm/base/log.h"
#include "veneer/vmm/base/mutex.h"
#include "veneer/xencompat/evtchn/event_channels.h"

namespace veneer {

// Which vCPUs to interrupt once the lock is released. One is the common case and costs no memory.
class RaiseList {
 public:
  void Add(std::uint32_t vcpu);
  void RaiseAll(UpcallSink& sink) const;

  // Events for the kernel to make pending.
  struct KernelEvent {
    EvtchnPort port;
    std::uint32_t vcpu = 0;
  };
  void AddKernelEvent(const KernelEvent& event);
  template <typename Send>
  void ForEachKernelEvent(Send send) const {
    if (first_event_) {
      send(*first_event_);
      std::for_each(other_events_.begin(), other_events_.end(), send);
    }
  }

 private:
  std::optional<std::uint32_t> first_;
  std::vector<std::uint32_t> others_;
  std::optional<KernelEvent> first_event_;
  std::vector<KernelEvent> other_events_;
};

// What the observer is told of a port, after the lock is released, and what must live until then.
struct Binding {
  enum class Kind { kEventFd, kIpi, kTimer };
  EvtchnPort guest_port;
  Kind kind = Kind::kEventFd;
  std::uint32_t vcpu = 0;                    // kIpi, kTimer
  std::shared_ptr<HostEndpoint> endpoint{};  // kEventFd
};

enum class DomainChoice { kGuest, kHost, kNone };
DomainChoice ChooseDomain(std::uint16_t dom);

inline constexpr std::uint32_t kNumVirqs = NR_VIRQS;
// Global ones exist once per domain, the others once per vCPU.
bool VirqIsGlobal(std::uint32_t virq);

class EventChannelState {
 public:
  EventChannelState(GuestMemory& memory, std::span<std::byte> shared_info, UpcallSink& sink,
                    Metrics& metrics, const EventChannels::Options& options);

  GuestMemory& memory;
  UpcallSink& sink;
  const EventChannels::Options options;
  Counter& sends;
  Counter& notifies;
  Counter& upcalls;
  Counter& kernel_sends;
  Counter& lost;
  Counter& violations;
  LogLimiter refused_log;

  // Held over a whole change of bindings, the observer's calls included. Taken before `lock`.
  Mutex topology ACQUIRED_BEFORE(lock);
  PortObserver* observer GUARDED_BY(topology) = nullptr;

  // The leaf lock. Changes of bindings need both.
  mutable Mutex lock;
  VcpuInfos infos GUARDED_BY(lock);
  TwoLevel two_level GUARDED_BY(lock);
  std::unique_ptr<Fifo> fifo GUARDED_BY(lock);  // null: the 2-level ABI is in use
  PortTable guest GUARDED_BY(lock);
  PortTable host GUARDED_BY(lock);
  std::vector<std::shared_ptr<HostEndpoint>> endpoints GUARDED_BY(lock);  // by host port
  // By vCPU; 0: not bound.
  std::vector<std::array<std::uint32_t, kNumVirqs>> virq_ports GUARDED_BY(lock);
  Pollers pollers GUARDED_BY(lock);
  std::uint32_t boot_vcpu GUARDED_BY(lock) = 0;  // whom ports notify that have not been moved

  // ---- Called with `lock` held.

  bool VcpuExists(std::uint32_t vcpu) const { return vcpu < options.vcpus; }
  // A free port of that domain, set up for the ABI in use but still kFree; or ENOSPC.
  XenResult<std::uint32_t> FindFreeGuestPort() REQUIRES(lock);
  XenResult<std::uint32_t> FindFreeHostPort() REQUIRES(lock);

  void SetPending(std::uint32_t guest_port, RaiseList& raises) REQUIRES(lock);
  void UnmaskPort(std::uint32_t guest_port, RaiseList& raises) REQUIRES(lock);
  bool IsPending(std::uint32_t guest_port) const REQUIRES(lock);

  void Connect(DomId a, std::uint32_t port_a, DomId b, std::uint32_t port_b) REQUIRES(lock);
  // Frees a guest port that is in use; its other end waits for a new one. What the observer is to
  // be told, if anything.
  std::optional<Binding> CloseGuestPort(std::uint32_t port) REQUIRES(lock);
  // What the observer knows of the port, if anything.
  std::optional<Binding> BindingOf(std::uint32_t guest_port) const REQUIRES(lock);
  // The endpoint at the other end of a guest port, if that is a port of domain 0.
  std::shared_ptr<HostEndpoint> EndpointOf(const Port& guest_port) const REQUIRES(lock);

  // ---- Called with `topology` held and `lock` not.

  void TellBound(const std::optional<Binding>& binding) REQUIRES(topology);
  void TellUnbound(const std::optional<Binding>& binding) REQUIRES(topology);

  // ---- Called with neither.

  void RaiseAll(const RaiseList& raises);

 private:
  void Finish(Delivery delivery, std::uint32_t guest_port, RaiseList& raises) REQUIRES(lock);
  // Without the kernel.
  void SetPendingHere(std::uint32_t guest_port, RaiseList& raises) REQUIRES(lock);
  PortTable& TableOf(DomId dom) { return dom == kHostDomId ? host : guest; }
};

}  // namespace veneer
