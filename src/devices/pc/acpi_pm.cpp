#include "veneer/devices/pc/acpi_pm.h"

#include <utility>

#include "veneer/vmm/base/check.h"

namespace veneer {
namespace {

// PM1 status and enable registers (ACPI 6.4, 4.8.3.1).
constexpr std::uint16_t kTimer = 1U << 0U;
constexpr std::uint16_t kGlobal = 1U << 5U;
constexpr std::uint16_t kPowerButton = 1U << 8U;
constexpr std::uint16_t kSleepButton = 1U << 9U;
constexpr std::uint16_t kRtc = 1U << 10U;
constexpr std::uint16_t kEnableBits = kTimer | kGlobal | kPowerButton | kSleepButton | kRtc;

// PM1 control register (4.8.3.2).
constexpr std::uint16_t kSciEnable = 1U << 0U;
constexpr unsigned kSleepTypeShift = 10;
constexpr std::uint16_t kSleepTypeMask = 7U << kSleepTypeShift;
constexpr std::uint16_t kSleepEnable = 1U << 13U;

// Offset of the enable registers in the block of general-purpose events.
constexpr std::uint64_t kGpeEnable = 2;

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

std::uint8_t ByteOf(std::uint32_t value, std::uint64_t index) {
  return static_cast<std::uint8_t>(value >> (index * 8U));
}

void SetByte(std::uint16_t& target, std::uint64_t index, std::uint8_t value, std::uint16_t mask) {
  const unsigned shift = static_cast<unsigned>(index) * 8U;
  const unsigned kept = target & ~(0xffU << shift);
  target = static_cast<std::uint16_t>((kept | (unsigned{value} << shift)) & mask);
}

// Status bits are cleared by writing ones.
void ClearByte(std::uint16_t& target, std::uint64_t index, std::uint8_t value) {
  target = static_cast<std::uint16_t>(target & ~(unsigned{value} << (index * 8U)));
}

}  // namespace

Result<void> AcpiPm::Attach(Bus& ports) {
  VENEER_TRY(ports.Attach(kBase, kSize, *this));
  return ports.Attach(kGpe0Base, kGpe0Size, gpe0_);
}

std::uint32_t AcpiPm::Timer() const {
  // In two parts, because nanoseconds times hertz does not fit 64 bits.
  const std::uint64_t ns = clock_.MonotonicNs() - timer_epoch_ns_;
  const std::uint64_t ticks =
      ns / kNsPerSecond * kTimerHz + ns % kNsPerSecond * kTimerHz / kNsPerSecond;
  return static_cast<std::uint32_t>(ticks);
}

void AcpiPm::UpdateTimerStatus(std::uint32_t timer) {
  const bool msb = (timer >> 31U) != 0;
  if (std::exchange(timer_msb_, msb) != msb) {
    pm1_status_ |= kTimer;
  }
}

void AcpiPm::UpdateSci() {
  const bool level = (pm1_status_ & pm1_enable_) != 0 || (gpe_level_ & gpe_enable_) != 0;
  if (std::exchange(sci_level_, level) != level) {
    sci_.SetLevel(level);
  }
}

void AcpiPm::PressPowerButton() {
  const MutexLock lock(mutex_);
  pm1_status_ |= kPowerButton;
  UpdateSci();
}

void AcpiPm::RaiseRtcAlarm() {
  const MutexLock lock(mutex_);
  pm1_status_ |= kRtc;
  UpdateSci();
}

void AcpiPm::SetGpe(unsigned number, bool level) {
  VENEER_CHECK(number < kGpeCount);
  const unsigned bit = 1U << number;
  const MutexLock lock(mutex_);
  gpe_level_ = static_cast<std::uint16_t>(level ? gpe_level_ | bit : gpe_level_ & ~bit);
  UpdateSci();
}

std::uint64_t AcpiPm::ReadGpe0(std::uint64_t offset, unsigned /*size*/) {
  const MutexLock lock(mutex_);
  const std::uint64_t block = gpe_level_ | (std::uint64_t{gpe_enable_} << kGpeCount);
  return block >> (offset * 8U);
}

void AcpiPm::WriteGpe0(std::uint64_t offset, unsigned size, std::uint64_t value) {
  const MutexLock lock(mutex_);
  for (unsigned i = 0; i < size; ++i) {
    // Writing to the status acknowledges, which changes no level.
    if (const std::uint64_t at = offset + i; at >= kGpeEnable) {
      SetByte(gpe_enable_, at - kGpeEnable, static_cast<std::uint8_t>(value >> (i * 8U)), 0xffff);
    }
  }
  UpdateSci();
}

std::uint8_t AcpiPm::ReadByte(std::uint64_t offset, std::uint32_t timer) {
  if (offset >= kPmTimer && offset < kPmTimer + 4) {
    return ByteOf(timer, offset - kPmTimer);
  }
  switch (offset) {
    case kPm1Event:
    case kPm1Event + 1:
      return ByteOf(pm1_status_, offset - kPm1Event);
    case kPm1Event + 2:
    case kPm1Event + 3:
      return ByteOf(pm1_enable_, offset - kPm1Event - 2);
    case kPm1Control:
    case kPm1Control + 1:
      return ByteOf(pm1_control_ | kSciEnable, offset - kPm1Control);
    default:
      return 0xff;
  }
}

void AcpiPm::WriteByte(std::uint64_t offset, std::uint8_t value) {
  switch (offset) {
    case kPm1Event:
    case kPm1Event + 1:
      ClearByte(pm1_status_, offset - kPm1Event, value);
      break;
    case kPm1Event + 2:
    case kPm1Event + 3:
      SetByte(pm1_enable_, offset - kPm1Event - 2, value, kEnableBits);
      break;
    case kPm1Control:
    case kPm1Control + 1:
      SetByte(pm1_control_, offset - kPm1Control, value, kSleepTypeMask | kSleepEnable);
      break;
    default:
      break;  // the timer is read-only, the rest is reserved
  }
}

bool AcpiPm::TakeSleepRequest() {
  if ((pm1_control_ & kSleepEnable) == 0) {
    return false;
  }
  // SLP_EN always reads as zero. Sleep types that \_S5 does not name are no sleep states here.
  pm1_control_ = static_cast<std::uint16_t>(pm1_control_ & ~kSleepEnable);
  return (pm1_control_ & kSleepTypeMask) >> kSleepTypeShift == kSleepTypeS5;
}

std::uint64_t AcpiPm::Read(std::uint64_t offset, unsigned size) {
  const MutexLock lock(mutex_);
  const std::uint32_t timer = Timer();  // once, so that its bytes belong together
  UpdateTimerStatus(timer);
  UpdateSci();
  std::uint64_t value = 0;
  for (unsigned i = 0; i < size; ++i) {
    value |= std::uint64_t{ReadByte(offset + i, timer)} << (i * 8U);
  }
  return value;
}

void AcpiPm::Write(std::uint64_t offset, unsigned size, std::uint64_t value) {
  bool power_off = false;
  {
    const MutexLock lock(mutex_);
    for (unsigned i = 0; i < size; ++i) {
      WriteByte(offset + i, static_cast<std::uint8_t>(value >> (i * 8U)));
    }
    power_off = TakeSleepRequest();
    UpdateSci();
  }
  if (power_off) {
    power_.PowerOff();
  }
}

}  // namespace veneer
