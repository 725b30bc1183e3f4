// The guest as Xen knows it: what it shares with the VMM and what its hypercalls act on.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "veneer/vmm/base/clock.h"
#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/memory/guest_memory.h"
#include "veneer/xencompat/abi/xen_errno.h"
#include "veneer/xencompat/abi/xen_headers.h"
#include "veneer/xencompat/abi/xen_types.h"
#include "veneer/xencompat/domain/deadlines.h"
#include "veneer/xencompat/domain/hvm_params.h"
#include "veneer/xencompat/domain/kernel_support.h"
#include "veneer/xencompat/domain/machine_hooks.h"
#include "veneer/xencompat/domain/physmap.h"
#include "veneer/xencompat/domain/runstate.h"
#include "veneer/xencompat/domain/secondary_time.h"
#include "veneer/xencompat/domain/shutdown.h"
#include "veneer/xencompat/domain/system_time.h"
#include "veneer/xencompat/domain/vcpu_starts.h"
#include "veneer/xencompat/domain/vcpu_timers.h"
#include "veneer/xencompat/evtchn/event_channels.h"
#include "veneer/xencompat/gnttab/grant_table.h"

namespace veneer {

// One entry of the firmware's memory map, as XENMEM_memory_map returns it.
struct XenE820Entry {
  std::uint64_t base = 0;
  std::uint64_t size = 0;
  std::uint32_t type = 0;
};

struct XenDomainOptions {
  unsigned vcpus = 1;
  std::array<std::uint8_t, 16> handle{};  // the machine's UUID
  std::uint16_t version_major = 4;
  std::uint16_t version_minor = 17;
  std::string extra_version = ".0-veneer";
  // XENFEAT_hvm_callback_vector: older guests then take the EOI-less vector on all vCPUs instead of
  // the platform device's INTx.
  bool callback_vector = true;
  // XENFEAT_hvm_safe_pvclock and the vCPUs' timers: guests then keep time by Xen's clock.
  bool time = true;
  std::vector<GuestMemory::Range> ram;  // where the guest's RAM is, page-aligned
  std::vector<XenE820Entry> e820;
  unsigned timer_load_limit = VcpuTimers::kNoLimit;
  std::uint64_t most_pages = 0;   // what the guest may have; 0: all of its RAM
  EventChannels::Options events;  // `vcpus` is filled in
  GrantTable::Options grants;
  // Where KVM's own Xen support is in use; null: nowhere. Outlives the domain.
  KernelSupport* kernel = nullptr;
};

// Thread-safe, but for the set-up. One per life of the guest: a machine that restarts makes a new
// one. Lock order: Physmap, grant table, event channels; the domain's own locks are leaves.
class XenDomain {
 public:
  // All references must outlive the domain; `options.ram` must lie in `memory`.
  static Result<std::unique_ptr<XenDomain>> Create(GuestMemory& memory, const Clock& clock,
                                                   const SystemTime& time, XenMachineHooks& hooks,
                                                   UpcallSink& upcalls, Metrics& metrics,
                                                   XenDomainOptions options);
  XenDomain(const XenDomain&) = delete;
  XenDomain& operator=(const XenDomain&) = delete;
  ~XenDomain() = default;

  // Who calls OnTimer(). Before vCPUs run.
  void AttachTimer(DeadlineTimer& timer) { deadlines_.Attach(timer); }
  // The time the DeadlineTimer was set to has come.
  void OnTimer() { deadlines_.OnWakeup(); }

  const XenDomainOptions& options() const { return options_; }
  // The page that the guest lays over its RAM; it stays where it is.
  std::span<std::byte> shared_info() { return shared_info_.bytes(); }
  GuestMemory& memory() { return memory_; }
  EventChannels& events() { return *events_; }
  GrantTable& grants() { return *grants_; }
  Physmap& physmap() { return *physmap_; }
  HvmParams& params() { return params_; }
  VcpuTimers& timers() { return *timers_; }
  VcpuStarts& starts() { return starts_; }
  Shutdown& shutdown() { return *shutdown_; }
  XenMachineHooks& hooks() { return hooks_; }
  const Clock& clock() const { return clock_; }
  const SystemTime& time() const { return time_; }

  // Xen's soft reset: the guest has been replaced by another, which finds everything of Xen's as at
  // its own boot: event channels, grants, vcpu_info, shared_info, timers, registered areas and
  // parameters. Memory keeps its content. Domain 0 closes its ports and gives back its grants
  // before, and makes the reserved ports and grants anew. No vCPU runs meanwhile. `boot_vcpu`: the
  // one that goes on. Each vCPU's time record is in shared_info, as it was last.
  void StartOver(unsigned boot_vcpu);

  // The width of what is shared with the guest. Latched when it writes the hypercall MSR and when
  // it sets HVM_PARAM_CALLBACK_IRQ, from the mode it does that in.
  GuestWidth width() const { return width_; }
  void LatchWidth(GuestWidth width);

  // HVMOP_set_param, with what follows from it for the machine. `caller`: the calling code's width.
  XenResult<void> SetParam(std::uint32_t index, std::uint64_t value, GuestWidth caller);
  // HVMOP_set_evtchn_upcall_vector: EINVAL for a vector below 16, ENOENT for no such vCPU.
  XenResult<void> SetUpcallVector(std::uint32_t vcpu, std::uint8_t vector);
  // XENMEM_add_to_physmap, space shared_info.
  XenResult<void> MapSharedInfo(std::uint64_t index, Gfn gfn);
  // VCPUOP_register_vcpu_info by `caller` for `vcpu`, both valid. ENXIO for an offset that is
  // misaligned or leaves the page, EINVAL for a frame that is not RAM, a second registration, or
  // another vCPU that is online.
  XenResult<void> RegisterVcpuInfo(unsigned caller, unsigned vcpu, Gfn gfn, std::uint32_t offset);

  Runstate& runstate(unsigned vcpu) { return vcpus_[vcpu]->runstate; }
  // The same, with the stolen time brought up to date.
  vcpu_runstate_info_t ReadRunstate(unsigned vcpu);
  // Where the guest wants a copy of the vCPU's run state; nothing: nowhere any more.
  void SetRunstateArea(unsigned vcpu, const std::optional<GuestArea>& area);
  // The same for a second copy of its clock.
  void SetSecondaryTimeArea(unsigned vcpu, const std::optional<GuestArea>& area);
  // VMASST_TYPE_runstate_update_flag.
  void FlagRunstateUpdates(bool on);
  // Has the vCPU's clock say that time has passed without the guest, as Vcpu::NoteStopped() does
  // for a clock that KVM keeps by its MSR. On the vCPU's thread.
  void NoteStopped(unsigned vcpu);
  // Brings the copies of `vcpu`'s run state and clock in guest memory up to date. On the vCPU's
  // thread, whenever it comes to userspace; cheap when nothing is registered.
  void RefreshVcpu(unsigned vcpu);
  // The guest's clock and the host's have moved against each other (the host's time was set, the
  // guest was paused). Any thread.
  void UpdateWallClock();
  // The vCPU was started, stopped, went to sleep or woke up.
  void SetRunState(unsigned vcpu, RunState state);

 private:
  struct VcpuState {
    explicit VcpuState(const SystemTime& time) : runstate(time) {}
    Runstate runstate;
    SecondaryTime secondary_time;
    std::atomic<bool> own_vcpu_info{false};
  };
  XenDomain(GuestMemory& memory, const Clock& clock, const SystemTime& time, XenMachineHooks& hooks,
            XenDomainOptions options, SharedPages shared_info);
  Result<void> Build(UpcallSink& upcalls, Metrics& metrics);
  // Of the vCPUs that have a place in shared_info.
  using TimeRecords = std::array<vcpu_time_info_t, XEN_LEGACY_MAX_VCPUS>;
  TimeRecords ReadTimeRecords() const;
  void WriteTimeRecords(const TimeRecords& records);

  GuestMemory& memory_;
  const Clock& clock_;
  const SystemTime& time_;
  XenMachineHooks& hooks_;
  XenDomainOptions options_;
  SharedPages shared_info_;

  std::atomic<GuestWidth> width_{GuestWidth::k64};
  std::atomic<bool> flag_runstate_updates_{false};
  Mutex wall_clock_mutex_;  // keeps writers of the wall clock in a row

  Deadlines deadlines_;
  HvmParams params_;
  VcpuStarts starts_;
  std::vector<std::unique_ptr<VcpuState>> vcpus_;
  std::unique_ptr<EventChannels> events_;
  std::unique_ptr<GrantTable> grants_;
  std::unique_ptr<Physmap> physmap_;
  std::unique_ptr<VcpuTimers> timers_;
  std::unique_ptr<Shutdown> shutdown_;
};

}  // namespace veneer
