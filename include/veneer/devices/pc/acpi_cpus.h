// Which processors a guest shall use, as ACPI tells it: Xen's bitmap of processors (PRST in
// tools/libacpi/mk_dsdt.c), and an eject register behind it, which Xen has not. The methods of
// boot/acpi/cpus.asl read and write them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>

#include "veneer/devices/pc/acpi_pm.h"
#include "veneer/vmm/base/result.h"
#include "veneer/vmm/bus/bus.h"

namespace veneer {

// Thread-safe. All its state is one number: the guest writes nothing that is kept.
class AcpiCpus final : public BusDevice {
 public:
  static constexpr std::uint64_t kBase = 0xaf00;
  static constexpr std::uint64_t kBitmapSize = 16;      // one bit for each processor
  static constexpr std::uint64_t kEject = kBitmapSize;  // 1 byte: the processor that has gone
  static constexpr std::uint64_t kSize = kBitmapSize + 1;
  static constexpr unsigned kGpe = 2;
  static constexpr unsigned kMaxProcessors = kBitmapSize * 8;

  // On the vCPU thread that ejects, without locks: the guest has let go of a processor. Any number
  // below `possible`, at any time.
  using EjectHandler = std::function<void(unsigned processor)>;

  // `possible` up to kMaxProcessors; the first `present` of them are there. `pm` outlives it.
  AcpiCpus(AcpiPm& pm, unsigned possible, unsigned present, EjectHandler on_eject)
      : pm_(pm), possible_(possible), present_(present), on_eject_(std::move(on_eject)) {}

  Result<void> Attach(Bus& ports) { return ports.Attach(kBase, kSize, *this); }

  // The guest shall use the first `count` processors, 1 to `possible`. Tells it, even if it has
  // been told so before, by an event that stays until it looks at the bitmap.
  void SetPresent(unsigned count);
  unsigned present() const { return present_; }
  unsigned possible() const { return possible_; }

  std::uint64_t Read(std::uint64_t offset, unsigned size) override;
  void Write(std::uint64_t offset, unsigned size, std::uint64_t value) override;

 private:
  std::uint8_t BitmapByte(std::uint64_t index) const;

  AcpiPm& pm_;
  const unsigned possible_;
  std::atomic<unsigned> present_;
  const EjectHandler on_eject_;
};

}  // namespace veneer
