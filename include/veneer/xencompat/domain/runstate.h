// How long a vCPU has been running, waiting for a CPU, blocked or offline, as the guest sees it
// (struct vcpu_runstate_info in xen/vcpu.h).
#pragma once

#include <cstdint>
#include <optional>

#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/memory/guest_memory.h"
#include "veneer/xencompat/abi/xen_headers.h"
#include "veneer/xencompat/abi/xen_types.h"
#include "veneer/xencompat/domain/guest_area.h"
#include "veneer/xencompat/domain/system_time.h"

namespace veneer {

// The layout of 32-bit guests: 64-bit members are only 4-byte aligned there.
struct [[gnu::packed]] RunstateInfo32 {
  std::int32_t state;
  std::uint64_t state_entry_time;
  std::uint64_t time[4];
};
static_assert(sizeof(RunstateInfo32) == 44);

RunstateInfo32 ToRunstate32(const vcpu_runstate_info_t& info);

enum class RunState : int {
  kRunning = RUNSTATE_running,
  kRunnable = RUNSTATE_runnable,
  kBlocked = RUNSTATE_blocked,
  kOffline = RUNSTATE_offline,
};

// One vCPU's accounts. Thread-safe. The four times add up to the guest's system time, always.
class Runstate {
 public:
  // Starts in kOffline. `time` must outlive this object.
  explicit Runstate(const SystemTime& time) : time_(time) {}

  // The vCPU has changed its state now.
  void Enter(RunState state);
  // `total_ns` is how long, over its life, the vCPU's thread has waited for a host CPU while it
  // could have run. Counted as kRunnable from now on, at the cost of the state the vCPU is in.
  void SetStolen(std::uint64_t total_ns);

  vcpu_runstate_info_t Read();

  // Where the guest wants a copy; nothing: nowhere any more.
  void SetArea(std::optional<GuestArea> area);
  bool HasArea();
  // Writes the copy, in the layout of `width`. With `flag_updates`, XEN_RUNSTATE_UPDATE is set in
  // the copy while it changes (VMASST_TYPE_runstate_update_flag).
  void Publish(GuestMemory& memory, GuestWidth width, bool flag_updates);

 private:
  // With `mutex_` held: puts the time since the last call to the account of the current state.
  void Account() REQUIRES(mutex_);

  const SystemTime& time_;
  Mutex mutex_;
  RunState state_ GUARDED_BY(mutex_) = RunState::kOffline;
  std::uint64_t entered_ GUARDED_BY(mutex_) = 0;
  std::uint64_t accounted_ GUARDED_BY(mutex_) = 0;  // up to when
  std::uint64_t times_[4] GUARDED_BY(mutex_) = {};
  std::uint64_t stolen_seen_ GUARDED_BY(mutex_) = 0;
  std::uint64_t stolen_due_ GUARDED_BY(mutex_) = 0;  // reported, but not yet put to the account
  std::optional<GuestArea> area_ GUARDED_BY(mutex_);
};

}  // namespace veneer
