// The PC's real-time clock and CMOS memory, after Motorola's MC146818 data sheet.
//
// The time is the host's, in UTC, plus what the guest made of it by setting the clock.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>

#include "veneer/vmm/base/clock.h"
#include "veneer/vmm/base/deadline_timer.h"
#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/bus/bus.h"
#include "veneer/vmm/bus/interrupt.h"

namespace veneer {

class CmosRtc final : public BusDevice {
 public:
  static constexpr std::uint64_t kIndexPort = 0x70;  // and the data port 0x71
  static constexpr Gsi kGsi{8};

  struct Memory {
    std::uint64_t below_4g = 0;  // bytes, counted from address 0
    std::uint64_t above_4g = 0;  // bytes
  };

  // `line` and `clock` must outlive this object.
  CmosRtc(const Clock& clock, InterruptLine& line, const Memory& memory);

  // Before the vCPUs run: makes alarm, update and periodic interrupts happen. `timer` calls
  // OnDeadline(). Without one the flags of status C are still right when they are read.
  void SetTimer(DeadlineTimer& timer) { timer_ = &timer; }
  void OnDeadline();

  // Before the vCPUs run: called when an alarm interrupts, beside the interrupt itself. It is the
  // wire that wakes a sleeping PC. With a lock of this object held.
  void SetAlarmHandler(std::function<void()> on_alarm) { on_alarm_ = std::move(on_alarm); }

  // Before the vCPUs run: which disks a BIOS tries, at most two kinds, as SeaBIOS's boot.c reads
  // it. Those that are not named come last.
  enum class BootDevice : std::uint8_t { kHardDisk = 2, kCdrom = 3 };
  void SetBootOrder(std::span<const BootDevice> order);

  Result<void> Attach(Bus& ports);

  std::uint64_t Read(std::uint64_t offset, unsigned size) override;
  void Write(std::uint64_t offset, unsigned size, std::uint64_t value) override;

 private:
  // All with mutex_ held.
  std::uint8_t ReadData() REQUIRES(mutex_);
  void WriteData(std::uint8_t value) REQUIRES(mutex_);
  void WriteStatusA(std::uint8_t value) REQUIRES(mutex_);
  void WriteStatusB(std::uint8_t value) REQUIRES(mutex_);
  std::uint8_t StatusA() const REQUIRES(mutex_);
  std::uint8_t TakeStatusC() REQUIRES(mutex_);

  // The guest's time in microseconds since 1970: nanoseconds would not reach the year 9999.
  std::int64_t Now() const REQUIRES(mutex_);
  bool Stopped() const REQUIRES(mutex_);
  void StoreTime() REQUIRES(mutex_);
  void AdoptTime(std::int64_t microsecond) REQUIRES(mutex_);
  std::int64_t Period(std::int64_t now) const REQUIRES(mutex_);
  std::optional<std::int64_t> NextEvent(std::int64_t now) const REQUIRES(mutex_);
  void AdvanceFlags() REQUIRES(mutex_);
  void UpdateInterrupt() REQUIRES(mutex_);

  const Clock& clock_;
  InterruptLine& line_;
  DeadlineTimer* timer_ = nullptr;
  std::function<void()> on_alarm_;

  Mutex mutex_;
  std::array<std::uint8_t, 128> ram_ GUARDED_BY(mutex_){};
  std::uint8_t index_ GUARDED_BY(mutex_) = 0;
  std::uint8_t status_c_ GUARDED_BY(mutex_) = 0;
  std::int64_t offset_us_ GUARDED_BY(mutex_) = 0;  // the guest's time minus the host's
  // The guest's time up to which the flags of status C are right.
  std::int64_t seen_us_ GUARDED_BY(mutex_) = 0;
  bool line_level_ GUARDED_BY(mutex_) = false;
  bool alarm_level_ GUARDED_BY(mutex_) = false;
  bool timer_armed_ GUARDED_BY(mutex_) = false;
};

}  // namespace veneer
