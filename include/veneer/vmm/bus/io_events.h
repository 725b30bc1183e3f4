// Guest writes that signal an eventfd inside the kernel instead of leaving to userspace.
#pragma once

#include <cstdint>
#include <optional>

#include "veneer/vmm/base/result.h"

namespace veneer {

// A piece of port or memory space where a guest write signals an eventfd.
struct IoEventAddress {
  bool port_io = true;
  std::uint64_t address = 0;
  unsigned size = 4;                     // bytes written: 1, 2, 4 or 8; 0: any
  std::optional<std::uint64_t> match{};  // only this value
  friend bool operator==(const IoEventAddress&, const IoEventAddress&) = default;
};

// Thread-safe. Implemented by the virtual machine.
class IoEvents {
 public:
  virtual ~IoEvents() = default;
  // `event_fd` stays the caller's. HostError if the address is taken with the same match.
  virtual Result<void> AttachIoEvent(const IoEventAddress& address, int event_fd) = 0;
  // With what it was attached with.
  virtual Result<void> DetachIoEvent(const IoEventAddress& address, int event_fd) = 0;
};

}  // namespace veneer
