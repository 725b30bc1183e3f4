// A ring of descriptors in guest memory, by the registers that the guest sets for it.
#pragma once

#include <cstdint>

#include "e1000_registers.h"
#include "veneer/vmm/memory/gpa.h"

namespace veneer {

struct E1000Ring {
  std::uint32_t base_low = 0;
  std::uint32_t base_high = 0;
  std::uint32_t length = 0;  // bytes
  std::uint32_t head = 0;    // the NIC's next descriptor
  std::uint32_t tail = 0;    // the guest's

  std::uint32_t count() const { return length / e1000::kDescriptorBytes; }
  // Descriptors that the NIC may use. None for indices outside the ring: walking to a tail that is
  // not in it would never end.
  std::uint32_t available() const {
    const std::uint32_t all = count();
    if (head >= all || tail >= all) {
      return 0;
    }
    return tail >= head ? tail - head : all - head + tail;
  }
  // Of the `index`th descriptor from the head on, below available().
  Gpa At(std::uint32_t index) const {
    const std::uint32_t wrapped = (head + index) % count();
    return Gpa{(std::uint64_t{base_high} << 32U | base_low)} +
           std::uint64_t{wrapped} * e1000::kDescriptorBytes;
  }
  void Advance(std::uint32_t by) { head = (head + by) % count(); }

  std::uint32_t* Find(std::uint32_t offset_from_base) {
    switch (offset_from_base) {
      case 0x00:
        return &base_low;
      case 0x04:
        return &base_high;
      case 0x08:
        return &length;
      case 0x10:
        return &head;
      case 0x18:
        return &tail;
      default:
        return nullptr;
    }
  }
};

}  // namespace veneer
