// Xen's event channels for one guest and for the VMM as its domain 0, after
// <xen/event_channel.h>: ports, their bindings, and delivery by the 2-level or the FIFO ABI.
//
// Thread-safe throughout. Two locks inside: one puts binding, closing and resetting in a row, and
// is held while the PortObserver is told; the other, a leaf, guards the tables and is all that
// Send(), Notify(), Unmask() and RaiseVirq() take. UpcallSink and host handlers are called with
// neither of them held.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/memory/gpa.h"
#include "veneer/vmm/memory/guest_memory.h"
#include "veneer/xencompat/abi/xen_errno.h"
#include "veneer/xencompat/abi/xen_types.h"
#include "veneer/xencompat/evtchn/kernel_sender.h"
#include "veneer/xencompat/evtchn/port_observer.h"
#include "veneer/xencompat/evtchn/upcall_sink.h"

namespace veneer {

class EventChannelState;

class EventChannels {
 public:
  static constexpr std::uint32_t kMaxVcpus = 1024;
  static constexpr std::size_t kMaxPollPorts = 128;
  static constexpr std::uint32_t kMaxHostPorts = 4096;

  struct Options {
    std::uint32_t vcpus = 1;
    // Highest port number the guest can get, whatever its ABI would allow.
    std::uint32_t max_port = 4095;
    bool fifo = true;  // offer the FIFO ABI; without it init_control says ENOSYS
    // Who makes ports pending, outliving this object; null: this object itself. The kernel knows
    // the 2-level ABI only: `fifo` must be off.
    KernelSender* kernel = nullptr;
  };

  // How a port of domain 0 hears about an event: a function called on the sender's thread (calls
  // for one port never overlap), or an eventfd that gets 1 added.
  using Handler = std::function<void()>;

  // `memory` and `sink` must outlive this object. `shared_info` is the page that the guest lays
  // over its RAM; at least one page, which must outlive this object too.
  static Result<std::unique_ptr<EventChannels>> Create(GuestMemory& memory,
                                                       std::span<std::byte> shared_info,
                                                       UpcallSink& sink, Metrics& metrics,
                                                       const Options& options);
  EventChannels(const EventChannels&) = delete;
  EventChannels& operator=(const EventChannels&) = delete;
  ~EventChannels();

  // At most one, set before vCPUs run; nullptr to take it away.
  void SetObserver(PortObserver* observer);

  // ---- The guest's operations. Errors are what the hypercall returns. Every port and vCPU number
  // may be any value at all.

  // EVTCHNOP_alloc_unbound. `dom` DOMID_SELF or the guest, else EPERM (ESRCH if there is none).
  XenResult<EvtchnPort> AllocUnbound(std::uint16_t dom, std::uint16_t remote_dom);
  XenResult<EvtchnPort> BindInterdomain(std::uint16_t remote_dom, EvtchnPort remote_port);
  XenResult<EvtchnPort> BindVirq(std::uint32_t virq, std::uint32_t vcpu);
  XenResult<EvtchnPort> BindIpi(std::uint32_t vcpu);
  // Always an error: no physical interrupts are offered (XENFEAT_hvm_pirqs is off).
  XenResult<EvtchnPort> BindPirq(std::uint32_t pirq, std::uint32_t flags);
  XenResult<void> Close(EvtchnPort port);
  // Runs a host handler bound to the other end before it returns.
  XenResult<void> Send(EvtchnPort port);
  XenResult<void> Unmask(EvtchnPort port);
  XenResult<void> BindVcpu(EvtchnPort port, std::uint32_t vcpu);

  struct PortStatus {
    std::uint32_t status = 0;  // EVTCHNSTAT_*
    std::uint32_t vcpu = 0;
    std::uint16_t remote_dom = 0;   // unbound, interdomain
    std::uint32_t remote_port = 0;  // interdomain
    std::uint32_t virq = 0;         // virq
  };
  XenResult<PortStatus> Status(std::uint16_t dom, EvtchnPort port) const;

  // EVTCHNOP_reset: closes all of the guest's ports and goes back to the 2-level ABI.
  XenResult<void> Reset(std::uint16_t dom);
  XenResult<void> SetPriority(EvtchnPort port, std::uint32_t priority);
  // Returns link_bits.
  XenResult<std::uint8_t> InitControl(std::uint32_t vcpu, Gfn control_frame, std::uint32_t offset);
  XenResult<void> ExpandArray(Gfn array_frame);

  // ---- What the hypercall layer tells about shared memory.

  // The layout of shared_info and of the vcpu_infos; 64 bits at first. Meant for when the guest's
  // width is latched, before it uses events: bits already pending are not moved.
  void SetGuestWidth(GuestWidth width);
  // VCPUOP_register_vcpu_info: moves a vCPU's vcpu_info to `vcpu_info`, 64 bytes of guest memory
  // that stay mapped as long as this object, copies the old content, marks everything pending and
  // raises an upcall. ENOENT for no such vCPU, ENXIO for a size or an alignment that is not the
  // ABI's, EINVAL for an empty span (not RAM) or when the vCPU's has been moved before.
  XenResult<void> SetVcpuInfo(std::uint32_t vcpu, std::span<std::byte> vcpu_info);
  // Marks everything pending on `vcpu` and raises an upcall: for when the kernel has learnt only
  // now where its vcpu_info has moved, and may have marked events at the old place meanwhile.
  void MarkAll(std::uint32_t vcpu);
  // A new guest begins: as Reset(), and every vCPU's vcpu_info is in shared_info again, in 64-bit
  // layout. The caller clears that page. No vCPU runs meanwhile. Ports that have not been moved to
  // a vCPU notify `boot_vcpu` from now on: the guest takes the vCPU it boots on for its first, and
  // the others sleep (a crash kernel boots where the crash was).
  void StartOver(std::uint32_t boot_vcpu);
  // Where it is now; empty if there is none (vCPU 32 and up before it has registered one).
  std::span<std::byte> VcpuInfo(std::uint32_t vcpu) const;

  // evtchn_upcall_pending as the guest sees it now. False for a vCPU without vcpu_info.
  bool UpcallPending(std::uint32_t vcpu) const;
  // Calls UpcallSink::Raise() if it is set: for when a vCPU has become able to take upcalls.
  void RaiseIfPending(std::uint32_t vcpu);

  // ---- SCHEDOP_poll.

  enum class PollOutcome { kReady, kTimeout };
  // Blocks the thread of `vcpu` until one of `ports` is pending or `deadline_ns` (CLOCK_MONOTONIC,
  // ns; nullopt: none) has passed. EINVAL for too many ports or one that is not in
  // use, ENOENT for no such vCPU. One thread at a time per vCPU. Interrupts raised inside KVM do
  // not end the wait: callers give a near deadline to a guest that runs with interrupts enabled and
  // let the guest see a spurious wake.
  XenResult<PollOutcome> Poll(std::uint32_t vcpu, std::span<const EvtchnPort> ports,
                              std::optional<std::uint64_t> deadline_ns);
  bool IsPending(EvtchnPort port) const;

  // ---- Domain 0: back-ends, xenstore, console. Ports returned here are domain 0's.

  // A port of domain 0 that the guest can bind with BindInterdomain(0, port).
  XenResult<EvtchnPort> AllocHostUnbound(Handler handler);
  // `event_fd` is duplicated.
  XenResult<EvtchnPort> AllocHostUnbound(int event_fd);
  // Binds to a port that the guest (or AllocGuestUnbound) has left unbound for domain 0. What was
  // sent before is lost: an eventfd is written once to make up for that; with a handler, the caller
  // looks at its ring itself. EINVAL if there is no such port, ENOSPC if domain 0 has none left.
  XenResult<EvtchnPort> BindHost(EvtchnPort guest_port, Handler handler);
  XenResult<EvtchnPort> BindHost(EvtchnPort guest_port, int event_fd);
  // A guest port that waits for domain 0: what a toolstack puts into HVM_PARAM_STORE_EVTCHN.
  XenResult<EvtchnPort> AllocGuestUnbound();
  // When it returns, the port's handler is not running on another thread and will not be called
  // again. Allowed from inside the handler; callers hold no lock that the handler takes. EINVAL for
  // a port not in use.
  XenResult<void> CloseHost(EvtchnPort host_port);
  // Sends to the guest's end; quietly nothing while no guest port is bound. Cheap: the leaf lock,
  // one or two atomic words in shared memory, and an upcall if none is pending. EINVAL for a port
  // not in use.
  XenResult<void> Notify(EvtchnPort host_port);

  // Raises VIRQ_* on `vcpu` if the guest has bound it; nothing otherwise. Global ones are kept with
  // the vCPU they were moved to and ignore `vcpu`.
  void RaiseVirq(std::uint32_t vcpu, std::uint32_t virq);

  // What a stalled guest is read by, a line of text each: the ABI, every vCPU's upcall, every port
  // in use. What the guest shares is read while it may change.
  std::vector<std::string> Report() const;

 private:
  explicit EventChannels(std::unique_ptr<EventChannelState> state);
  std::unique_ptr<EventChannelState> state_;
};

}  // namespace veneer
