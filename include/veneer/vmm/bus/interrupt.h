// How devices raise interrupts, without knowing the interrupt controller.
#pragma once

#include <compare>
#include <cstdint>

#include "veneer/vmm/base/result.h"

namespace veneer {

// A global system interrupt number, as ACPI and the IOAPIC count them.
struct Gsi {
  std::uint32_t value = 0;
  friend auto operator<=>(Gsi, Gsi) = default;
};

// One wire into the interrupt controller. Thread-safe.
class InterruptLine {
 public:
  virtual ~InterruptLine() = default;
  virtual void SetLevel(bool asserted) = 0;

  // For edge-triggered lines.
  void Pulse() {
    SetLevel(true);
    SetLevel(false);
  }
};

// A message-signalled interrupt as the CPU's bus sees it (Intel SDM vol. 3, 10.11).
struct MsiMessage {
  std::uint64_t address = 0;
  std::uint32_t data = 0;
};

// Thread-safe.
class MsiSink {
 public:
  virtual ~MsiSink() = default;
  // False if no local APIC took it (for example because it is still disabled).
  virtual bool Deliver(const MsiMessage& message) = 0;
};

// Level-triggered lines that eventfds raise, without a thread of ours in between. Thread-safe.
class ResampledLines {
 public:
  virtual ~ResampledLines() = default;
  // Each write to `event_fd` asserts the line; it is lowered when the guest acknowledges the
  // interrupt, and then `resample_fd` is written. Both stay the caller's.
  virtual Result<void> AttachResampledLine(Gsi gsi, int event_fd, int resample_fd) = 0;
  virtual Result<void> DetachResampledLine(Gsi gsi, int event_fd) = 0;
};

}  // namespace veneer
