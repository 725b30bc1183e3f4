#include "veneer/xencompat/domain/runstate.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <span>

namespace veneer {
namespace {

// Writes `info` (either layout) so that a reader that looks at state_entry_time before and after
// notices a change in between. The fences are for the compiler: x86 keeps the stores in order.
template <typename Info>
void WriteArea(GuestMemory& memory, const GuestArea& area, Info info, bool flag_updates) {
  constexpr std::size_t kEntryTime = offsetof(Info, state_entry_time);
  const std::uint64_t entry_time = info.state_entry_time;
  const auto write_entry_time = [&](std::uint64_t value) {
    area.Write(memory, kEntryTime, std::as_bytes(std::span(&value, 1)));
    std::atomic_signal_fence(std::memory_order_seq_cst);
  };
  if (flag_updates) {
    write_entry_time(entry_time | XEN_RUNSTATE_UPDATE);
    info.state_entry_time = entry_time | XEN_RUNSTATE_UPDATE;
  }
  area.Write(memory, 0, std::as_bytes(std::span(&info, 1)));
  std::atomic_signal_fence(std::memory_order_seq_cst);
  if (flag_updates) {
    write_entry_time(entry_time);
  }
}

}  // namespace

RunstateInfo32 ToRunstate32(const vcpu_runstate_info_t& info) {
  RunstateInfo32 narrow{};
  narrow.state = info.state;
  narrow.state_entry_time = info.state_entry_time;
  for (std::size_t i = 0; i < std::size(info.time); ++i) {
    narrow.time[i] = info.time[i];
  }
  return narrow;
}

void Runstate::Account() {
  const std::uint64_t now = time_.GuestNs();
  if (now <= accounted_) {
    return;
  }
  const std::uint64_t elapsed = now - accounted_;
  const std::uint64_t stolen = std::min(stolen_due_, elapsed);
  stolen_due_ -= stolen;
  times_[RUNSTATE_runnable] += stolen;
  times_[static_cast<std::size_t>(state_)] += elapsed - stolen;
  accounted_ = now;
}

void Runstate::Enter(RunState state) {
  const MutexLock lock(mutex_);
  Account();
  if (state != state_) {
    state_ = state;
    entered_ = accounted_;
  }
}

void Runstate::SetStolen(std::uint64_t total_ns) {
  const MutexLock lock(mutex_);
  if (total_ns > stolen_seen_) {
    stolen_due_ += total_ns - stolen_seen_;
    stolen_seen_ = total_ns;
  }
}

vcpu_runstate_info_t Runstate::Read() {
  const MutexLock lock(mutex_);
  Account();
  vcpu_runstate_info_t info;
  std::memset(&info, 0, sizeof(info));  // the padding goes to the guest, too
  info.state = static_cast<int>(state_);
  info.state_entry_time = entered_;
  std::copy(std::begin(times_), std::end(times_), std::begin(info.time));
  return info;
}

void Runstate::SetArea(std::optional<GuestArea> area) {
  const MutexLock lock(mutex_);
  area_ = area;
}

bool Runstate::HasArea() {
  const MutexLock lock(mutex_);
  return area_.has_value();
}

void Runstate::Publish(GuestMemory& memory, GuestWidth width, bool flag_updates) {
  const vcpu_runstate_info_t info = Read();
  const MutexLock lock(mutex_);
  if (!area_) {
    return;
  }
  if (width == GuestWidth::k32) {
    WriteArea(memory, *area_, ToRunstate32(info), flag_updates);
  } else if (area_->size() >= sizeof(info)) {
    // An area registered by 32-bit code is too short when the guest's width has changed since.
    WriteArea(memory, *area_, info, flag_updates);
  }
}

}  // namespace veneer
