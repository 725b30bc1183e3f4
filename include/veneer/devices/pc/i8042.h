// The PC's keyboard controller with nothing plugged in, after Intel's 8042 as the AT used it.
//
// It is here for its reset pulse; the rest answers so that an operating system's probe ends at once
// instead of waiting for time-outs.
#pragma once

#include <cstdint>

#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/bus/bus.h"
#include "veneer/vmm/bus/port_window.h"
#include "veneer/vmm/bus/power_control.h"

namespace veneer {

class I8042 {
 public:
  static constexpr std::uint64_t kDataPort = 0x60;
  static constexpr std::uint64_t kCommandPort = 0x64;

  // `power` must outlive this object.
  explicit I8042(PowerControl& power);

  Result<void> Attach(Bus& ports);

 private:
  std::uint8_t ReadData();
  std::uint8_t ReadStatus();
  void WriteData(std::uint8_t value);
  void WriteCommand(std::uint8_t value);
  void Reply(std::uint8_t value) REQUIRES(mutex_);  // with mutex_ held

  PowerControl& power_;
  PortWindow data_window_;
  PortWindow command_window_;

  Mutex mutex_;
  std::uint8_t command_byte_ GUARDED_BY(mutex_) = 0;
  std::uint8_t output_ GUARDED_BY(mutex_) = 0;
  bool output_full_ GUARDED_BY(mutex_) = false;
  bool last_was_command_ GUARDED_BY(mutex_) = false;
  // The command whose parameter comes next, or 0.
  std::uint8_t awaiting_data_for_ GUARDED_BY(mutex_) = 0;
};

}  // namespace veneer
