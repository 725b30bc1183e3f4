// The ACPI fixed hardware: power management timer, power button, sleep control and general-purpose
// events, after chapter 4 of the ACPI specification.
//
// There is no legacy mode: SCI_EN is always set. The windows are at fixed places that the FADT
// names.
#pragma once

#include <cstdint>

#include "veneer/vmm/base/clock.h"
#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/bus/bus.h"
#include "veneer/vmm/bus/interrupt.h"
#include "veneer/vmm/bus/port_window.h"
#include "veneer/vmm/bus/power_control.h"

namespace veneer {

class AcpiPm final : public BusDevice {
 public:
  static constexpr std::uint64_t kBase = 0x600;
  static constexpr std::uint64_t kSize = 0x10;
  // Offsets of the register blocks in the window.
  static constexpr std::uint64_t kPm1Event = 0x00;    // status 2 bytes, enable 2 bytes
  static constexpr std::uint64_t kPm1Control = 0x04;  // 2 bytes
  static constexpr std::uint64_t kPmTimer = 0x08;     // 4 bytes
  // The general-purpose events have a window of their own, where Xen has them.
  static constexpr std::uint64_t kGpe0Base = 0xafe0;
  static constexpr std::uint64_t kGpe0Size = 4;  // status 2 bytes, enable 2 bytes
  static constexpr unsigned kGpeCount = 16;
  static constexpr Gsi kSci{9};
  static constexpr std::uint64_t kTimerHz = 3'579'545;
  // Value of SLP_TYP for S5; the DSDT's \_S5 says the same.
  static constexpr unsigned kSleepTypeS5 = 5;

  // All must outlive this object. `sci` is level-triggered.
  AcpiPm(const Clock& clock, InterruptLine& sci, PowerControl& power)
      : clock_(clock),
        sci_(sci),
        power_(power),
        timer_epoch_ns_(clock.MonotonicNs()),
        gpe0_([this](std::uint64_t offset, unsigned size) { return ReadGpe0(offset, size); },
              [this](std::uint64_t offset, unsigned size, std::uint64_t value) {
                WriteGpe0(offset, size, value);
              }) {}

  Result<void> Attach(Bus& ports);

  // Any thread: what a short press of the power button does.
  void PressPowerButton();
  // Any thread: the real-time clock's alarm (RTC_STS), which ends suspend-to-idle in Linux. Takes
  // no lock but its own, so that the clock may call with its own held.
  void RaiseRtcAlarm();
  // Any thread: the level of general-purpose event `number` (below kGpeCount). Its status is set
  // for as long as the level is up, acknowledged or not, so that a guest that clears all events
  // when it starts misses none.
  void SetGpe(unsigned number, bool level);

  std::uint64_t Read(std::uint64_t offset, unsigned size) override;
  void Write(std::uint64_t offset, unsigned size, std::uint64_t value) override;

 private:
  // With mutex_ held.
  std::uint8_t ReadByte(std::uint64_t offset, std::uint32_t timer) REQUIRES(mutex_);
  void WriteByte(std::uint64_t offset, std::uint8_t value) REQUIRES(mutex_);
  std::uint64_t ReadGpe0(std::uint64_t offset, unsigned size);
  void WriteGpe0(std::uint64_t offset, unsigned size, std::uint64_t value);
  bool TakeSleepRequest() REQUIRES(mutex_);
  void UpdateTimerStatus(std::uint32_t timer) REQUIRES(mutex_);
  void UpdateSci() REQUIRES(mutex_);
  std::uint32_t Timer() const;

  const Clock& clock_;
  InterruptLine& sci_;
  PowerControl& power_;
  const std::uint64_t timer_epoch_ns_;
  PortWindow gpe0_;

  Mutex mutex_;
  std::uint16_t pm1_status_ GUARDED_BY(mutex_) = 0;
  std::uint16_t pm1_enable_ GUARDED_BY(mutex_) = 0;
  std::uint16_t pm1_control_ GUARDED_BY(mutex_) = 0;
  std::uint16_t gpe_level_ GUARDED_BY(mutex_) = 0;
  std::uint16_t gpe_enable_ GUARDED_BY(mutex_) = 0;
  bool timer_msb_ GUARDED_BY(mutex_) = false;
  bool sci_level_ GUARDED_BY(mutex_) = false;
};

}  // namespace veneer
