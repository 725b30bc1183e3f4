#include "veneer/devices/pc/cmos_rtc.h"

#include <algorithm>
#include <span>
#include <utility>

#include "cmos_time.h"
#include "veneer/vmm/base/check.h"

namespace veneer {
namespace {

// MC146818 registers.
constexpr std::uint8_t kSecond = 0x00;
constexpr std::uint8_t kSecondAlarm = 0x01;
constexpr std::uint8_t kMinute = 0x02;
constexpr std::uint8_t kMinuteAlarm = 0x03;
constexpr std::uint8_t kHour = 0x04;
constexpr std::uint8_t kHourAlarm = 0x05;
constexpr std::uint8_t kWeekday = 0x06;
constexpr std::uint8_t kDay = 0x07;
constexpr std::uint8_t kMonth = 0x08;
constexpr std::uint8_t kYear = 0x09;
constexpr std::uint8_t kStatusA = 0x0a;
constexpr std::uint8_t kStatusB = 0x0b;
constexpr std::uint8_t kStatusC = 0x0c;
constexpr std::uint8_t kStatusD = 0x0d;
// What PCs keep in the memory behind them.
constexpr std::uint8_t kEquipment = 0x14;
constexpr std::uint8_t kBaseMemory = 0x15;      // KiB, below 640 KiB
constexpr std::uint8_t kExtendedMemory = 0x17;  // KiB above 1 MiB, also at 0x30
constexpr std::uint8_t kExtendedMemoryFound = 0x30;
constexpr std::uint8_t kBootFlags = 0x38;
constexpr std::uint8_t kAnyFloppyWillDo = 0x01;  // whatever its boot sector's signature
constexpr std::uint8_t kBootOrder = 0x3d;
constexpr std::uint8_t kMemoryAbove16M = 0x34;  // 64 KiB units, below 4 GiB
constexpr std::uint8_t kMemoryAbove4G = 0x5b;   // 64 KiB units, three bytes
constexpr std::uint8_t kChecksumFirst = 0x10;
constexpr std::uint8_t kChecksumLast = 0x2d;
constexpr std::uint8_t kChecksum = 0x2e;  // big-endian
constexpr std::uint8_t kCentury = 0x32;
constexpr std::uint8_t kCoprocessorPresent = 0x02;

// Status A.
constexpr std::uint8_t kUpdateInProgress = 0x80;
constexpr std::uint8_t kDividerReset = 0x60;  // both bits: the divider chain stands still
constexpr std::uint8_t kRateMask = 0x0f;
constexpr std::uint8_t kStatusAAtReset = 0x26;  // 32768 Hz crystal, 1024 Hz rate

// Status B.
constexpr std::uint8_t kSet = 0x80;
constexpr std::uint8_t kBinary = 0x04;
constexpr std::uint8_t kHours24 = 0x02;

// Status C; the first three have their enable bits at the same place in status B.
constexpr std::uint8_t kPeriodic = 0x40;
constexpr std::uint8_t kAlarm = 0x20;
constexpr std::uint8_t kUpdateEnded = 0x10;
constexpr std::uint8_t kSources = kPeriodic | kAlarm | kUpdateEnded;
constexpr std::uint8_t kInterruptRequest = 0x80;

constexpr std::uint8_t kValidTime = 0x80;  // status D

constexpr std::int64_t kUsPerSecond = 1'000'000;
// The update flag rises 244 us before the 1984 us of an update.
constexpr std::int64_t kUpdateUs = 244 + 1984;
// The first update comes half a second after the divider is let go.
constexpr std::int64_t kDividerStartUs = kUsPerSecond / 2;

std::int64_t FloorSeconds(std::int64_t us) {
  return us >= 0 ? us / kUsPerSecond : -((-us + kUsPerSecond - 1) / kUsPerSecond);
}

std::int64_t WithinSecond(std::int64_t us) { return us - FloorSeconds(us) * kUsPerSecond; }

bool IsTimeRegister(std::uint8_t index) {
  return index == kCentury ||
         (index <= kYear && index != kSecondAlarm && index != kMinuteAlarm && index != kHourAlarm);
}

CmosFormat FormatOf(std::uint8_t status_b) {
  return CmosFormat{(status_b & kBinary) != 0, (status_b & kHours24) != 0};
}

// Two high bits set mean "every".
bool IsWildcard(std::uint8_t value) { return value >= 0xc0; }

CmosAlarm AlarmOf(const std::array<std::uint8_t, 128>& ram) {
  const CmosFormat format = FormatOf(ram[kStatusB]);
  return CmosAlarm{
      .second = {IsWildcard(ram[kSecondAlarm]), format.Decode(ram[kSecondAlarm])},
      .minute = {IsWildcard(ram[kMinuteAlarm]), format.Decode(ram[kMinuteAlarm])},
      .hour = {IsWildcard(ram[kHourAlarm]), format.DecodeHour(ram[kHourAlarm])},
  };
}

// Ticks per second of the periodic interrupt; 0 for none.
std::int64_t RateHz(std::uint8_t status_a) {
  unsigned rate = status_a & kRateMask;
  if (rate == 0) {
    return 0;
  }
  if (rate <= 2) {
    rate += 7;  // the two lowest codes repeat 256 and 128 Hz
  }
  return std::int64_t{32768} >> (rate - 1);
}

}  // namespace

CmosRtc::CmosRtc(const Clock& clock, InterruptLine& line, const Memory& memory)
    : clock_(clock), line_(line) {
  constexpr std::uint64_t kKiB = 1024;
  constexpr std::uint64_t kMiB = 1024 * kKiB;
  const std::span<std::uint8_t> ram(ram_);
  const auto store = [ram](std::uint8_t index, unsigned bytes, std::uint64_t value) {
    value = std::min(value, AllOnes(bytes));
    for (unsigned i = 0; i < bytes; ++i) {
      ram[index + i] = static_cast<std::uint8_t>(value >> (i * 8U));
    }
  };
  const auto above = [&memory](std::uint64_t start) {
    return memory.below_4g > start ? memory.below_4g - start : 0;
  };
  ram_[kStatusA] = kStatusAAtReset;
  ram_[kStatusB] = kHours24;
  ram_[kEquipment] = kCoprocessorPresent;
  store(kBaseMemory, 2, std::min<std::uint64_t>(memory.below_4g / kKiB, 640));
  store(kExtendedMemory, 2, above(kMiB) / kKiB);
  store(kExtendedMemoryFound, 2, above(kMiB) / kKiB);
  store(kMemoryAbove16M, 2, above(16 * kMiB) / (64 * kKiB));
  store(kMemoryAbove4G, 3, memory.above_4g / (64 * kKiB));
  unsigned sum = 0;
  for (unsigned i = kChecksumFirst; i <= kChecksumLast; ++i) {
    sum += ram_[i];
  }
  ram_[kChecksum] = static_cast<std::uint8_t>(sum >> 8U);
  ram_[kChecksum + 1] = static_cast<std::uint8_t>(sum);
  seen_us_ = Now();
}

void CmosRtc::SetBootOrder(std::span<const BootDevice> order) {
  VENEER_CHECK(order.size() <= 2);
  const MutexLock lock(mutex_);
  ram_[kBootFlags] = kAnyFloppyWillDo;
  // The first device in the lowest four bits, the next above it.
  unsigned nibbles = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    nibbles |= static_cast<unsigned>(order[i]) << (4 * i);
  }
  ram_[kBootOrder] = static_cast<std::uint8_t>(nibbles);
}

Result<void> CmosRtc::Attach(Bus& ports) { return ports.Attach(kIndexPort, 2, *this); }

std::int64_t CmosRtc::Now() const {
  return static_cast<std::int64_t>(clock_.RealtimeNs() / 1000) + offset_us_;
}

bool CmosRtc::Stopped() const {
  return (ram_[kStatusB] & kSet) != 0 || (ram_[kStatusA] & kDividerReset) == kDividerReset;
}

void CmosRtc::StoreTime() {
  const CmosFormat format = FormatOf(ram_[kStatusB]);
  const CmosTime time = CmosTimeFromSeconds(FloorSeconds(Now()));
  ram_[kSecond] = format.Encode(time.second);
  ram_[kMinute] = format.Encode(time.minute);
  ram_[kHour] = format.EncodeHour(time.hour);
  ram_[kWeekday] = format.Encode(time.weekday);
  ram_[kDay] = format.Encode(time.day);
  ram_[kMonth] = format.Encode(time.month);
  ram_[kYear] = format.Encode(time.year % 100);
  ram_[kCentury] = format.Encode(time.year / 100);
}

void CmosRtc::AdoptTime(std::int64_t microsecond) {
  const CmosFormat format = FormatOf(ram_[kStatusB]);
  const std::span<const std::uint8_t> ram(ram_);
  const auto field = [&format, ram](std::uint8_t index) {
    return format.Decode(ram[index]).value_or(~0U);
  };
  const unsigned year = field(kYear);
  const unsigned century = field(kCentury);
  const std::optional<std::int64_t> seconds = SecondsFromCmosTime(CmosTime{
      .second = field(kSecond),
      .minute = field(kMinute),
      .hour = format.DecodeHour(ram_[kHour]).value_or(~0U),
      .day = field(kDay),
      .month = field(kMonth),
      .year = year > 99 || century > 99 ? ~0U : century * 100 + year,
  });
  // A time that does not exist is not taken: the clock runs on as it did before.
  if (seconds) {
    offset_us_ += *seconds * kUsPerSecond + microsecond - Now();
    seen_us_ = Now();
  }
}

std::uint8_t CmosRtc::StatusA() const {
  const bool updating = !Stopped() && WithinSecond(Now()) >= kUsPerSecond - kUpdateUs;
  return static_cast<std::uint8_t>(ram_[kStatusA] | (updating ? kUpdateInProgress : 0U));
}

void CmosRtc::WriteStatusA(std::uint8_t value) {
  const bool was_stopped = Stopped();
  const bool divider_was_reset = (ram_[kStatusA] & kDividerReset) == kDividerReset;
  if (!was_stopped) {
    StoreTime();
  }
  ram_[kStatusA] = value & static_cast<std::uint8_t>(~kUpdateInProgress);
  if (was_stopped && !Stopped() && divider_was_reset) {
    AdoptTime(kDividerStartUs);
  }
}

void CmosRtc::WriteStatusB(std::uint8_t value) {
  const bool was_stopped = Stopped();
  if (!was_stopped) {
    StoreTime();
  }
  // Setting SET takes the update interrupt's enable away.
  ram_[kStatusB] = (value & kSet) != 0 ? value & static_cast<std::uint8_t>(~kUpdateEnded) : value;
  if (was_stopped && !Stopped()) {
    AdoptTime(0);
  }
}

std::int64_t CmosRtc::Period(std::int64_t now) const {
  const std::int64_t hz = RateHz(ram_[kStatusA]);
  return FloorSeconds(now) * hz + WithinSecond(now) * hz / kUsPerSecond;
}

void CmosRtc::AdvanceFlags() {
  const std::int64_t now = Now();
  const std::int64_t before = std::exchange(seen_us_, now);
  if (Stopped() || now <= before) {
    return;  // the latter when the host's clock was set back
  }
  if (Period(now) != Period(before)) {
    status_c_ |= kPeriodic;
  }
  if (FloorSeconds(now) != FloorSeconds(before)) {
    status_c_ |= kUpdateEnded;
    const std::optional<std::int64_t> alarm = AlarmOf(ram_).NextAfter(FloorSeconds(before));
    if (alarm && *alarm <= FloorSeconds(now)) {
      status_c_ |= kAlarm;
    }
  }
}

std::optional<std::int64_t> CmosRtc::NextEvent(std::int64_t now) const {
  // A flag that is up already interrupts again only after the guest has read status C.
  const unsigned wanted = ram_[kStatusB] & kSources & ~unsigned{status_c_};
  std::optional<std::int64_t> next;
  const auto consider = [&next](std::int64_t at) { next = next ? std::min(*next, at) : at; };
  const std::int64_t second = FloorSeconds(now);
  if (const std::int64_t hz = RateHz(ram_[kStatusA]); (wanted & kPeriodic) != 0 && hz != 0) {
    const std::int64_t tick = WithinSecond(now) * hz / kUsPerSecond + 1;
    consider(second * kUsPerSecond + (tick * kUsPerSecond + hz - 1) / hz);
  }
  if ((wanted & kUpdateEnded) != 0) {
    consider((second + 1) * kUsPerSecond);
  }
  if ((wanted & kAlarm) != 0) {
    if (const std::optional<std::int64_t> alarm = AlarmOf(ram_).NextAfter(second)) {
      consider(*alarm * kUsPerSecond);
    }
  }
  return next;
}

void CmosRtc::UpdateInterrupt() {
  const bool level = (status_c_ & ram_[kStatusB] & kSources) != 0;
  if (std::exchange(line_level_, level) != level) {
    line_.SetLevel(level);
  }
  const bool alarm = (status_c_ & ram_[kStatusB] & kAlarm) != 0;
  if (!std::exchange(alarm_level_, alarm) && alarm && on_alarm_) {
    on_alarm_();
  }
  if (timer_ == nullptr) {
    return;
  }
  const std::int64_t now = Now();
  const std::optional<std::int64_t> event = Stopped() ? std::nullopt : NextEvent(now);
  std::optional<std::uint64_t> deadline;
  if (event) {
    deadline = clock_.MonotonicNs() + static_cast<std::uint64_t>(*event - now) * 1000;
  }
  if (deadline || timer_armed_) {
    timer_->SetDeadline(deadline);
  }
  timer_armed_ = deadline.has_value();
}

void CmosRtc::OnDeadline() {
  const MutexLock lock(mutex_);
  AdvanceFlags();
  UpdateInterrupt();
}

std::uint8_t CmosRtc::TakeStatusC() {
  AdvanceFlags();
  unsigned value = std::exchange(status_c_, std::uint8_t{0});
  if ((value & ram_[kStatusB] & kSources) != 0) {
    value |= kInterruptRequest;
  }
  UpdateInterrupt();
  return static_cast<std::uint8_t>(value);
}

std::uint8_t CmosRtc::ReadData() {
  if (IsTimeRegister(index_)) {
    if (!Stopped()) {
      StoreTime();
    }
    return ram_[index_];
  }
  switch (index_) {
    case kStatusA:
      return StatusA();
    case kStatusC:
      return TakeStatusC();
    case kStatusD:
      return kValidTime;
    default:
      return ram_[index_];
  }
}

void CmosRtc::WriteData(std::uint8_t value) {
  AdvanceFlags();
  switch (index_) {
    case kStatusA:
      WriteStatusA(value);
      break;
    case kStatusB:
      WriteStatusB(value);
      break;
    case kStatusC:
    case kStatusD:
      break;  // read-only
    default:
      if (IsTimeRegister(index_) && !Stopped()) {
        StoreTime();
        ram_[index_] = value;
        AdoptTime(WithinSecond(Now()));
      } else {
        ram_[index_] = value;
      }
      break;
  }
  if (index_ <= kStatusB) {
    UpdateInterrupt();
  }
}

std::uint64_t CmosRtc::Read(std::uint64_t offset, unsigned size) {
  const MutexLock lock(mutex_);
  // The index register cannot be read. A word read finds the data in its upper half.
  std::uint64_t value = 0xff;
  if (offset + size > 1) {
    const std::uint64_t data = ReadData();
    value = offset == 1 ? data : value | data << 8U;
  }
  return value;
}

void CmosRtc::Write(std::uint64_t offset, unsigned size, std::uint64_t value) {
  const MutexLock lock(mutex_);
  if (offset == 0) {
    index_ = value & 0x7f;  // bit 7 masks the NMI, which nothing here raises
  }
  if (offset + size > 1) {
    WriteData(static_cast<std::uint8_t>(offset == 1 ? value : value >> 8U));
  }
}

}  // namespace veneer
