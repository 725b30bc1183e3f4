#include "veneer/devices/pc/acpi_cpus.h"

#include <algorithm>

#include "veneer/vmm/base/check.h"

namespace veneer {

void AcpiCpus::SetPresent(unsigned count) {
  VENEER_CHECK(count >= 1 && count <= possible_);
  present_ = count;
  pm_.SetGpe(kGpe, true);
}

std::uint8_t AcpiCpus::BitmapByte(std::uint64_t index) const {
  const auto first = static_cast<unsigned>(index) * 8U;
  const unsigned present = present_;
  const unsigned here = present > first ? std::min(present - first, 8U) : 0;
  return static_cast<std::uint8_t>((1U << here) - 1U);
}

std::uint64_t AcpiCpus::Read(std::uint64_t offset, unsigned size) {
  if (offset < kBitmapSize) {
    // First: what changes after this raises the event again.
    pm_.SetGpe(kGpe, false);
  }
  std::uint64_t value = 0;
  for (unsigned i = 0; i < size; ++i) {
    const std::uint64_t at = offset + i;
    const std::uint64_t byte = at < kBitmapSize ? BitmapByte(at) : 0xff;
    value |= byte << (i * 8U);
  }
  return value;
}

void AcpiCpus::Write(std::uint64_t offset, unsigned size, std::uint64_t value) {
  if (offset == kEject && size == 1 && value < possible_) {
    on_eject_(static_cast<unsigned>(value));
  }
}

}  // namespace veneer
