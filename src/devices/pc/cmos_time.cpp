#include "cmos_time.h"

#include <algorithm>
#include <chrono>

namespace veneer {
namespace {

constexpr std::int64_t kSecondsPerMinute = 60;
constexpr std::int64_t kSecondsPerHour = 3600;
constexpr std::int64_t kSecondsPerDay = 86400;

std::int64_t DaySeconds(int year, unsigned month, unsigned day) {
  const std::chrono::sys_days days =
      std::chrono::year(year) / std::chrono::month(month) / std::chrono::day(day);
  return std::int64_t{days.time_since_epoch().count()} * kSecondsPerDay;
}

}  // namespace

CmosTime CmosTimeFromSeconds(std::int64_t seconds) {
  seconds = std::clamp(seconds, DaySeconds(0, 1, 1), DaySeconds(10000, 1, 1) - 1);
  const auto time = std::chrono::sys_seconds(std::chrono::seconds(seconds));
  const auto days = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(days);
  const auto of_day = static_cast<unsigned>((time - days).count());
  return CmosTime{
      .second = of_day % 60,
      .minute = of_day / 60 % 60,
      .hour = of_day / 3600,
      .weekday = std::chrono::weekday(days).c_encoding() + 1,
      .day = static_cast<unsigned>(date.day()),
      .month = static_cast<unsigned>(date.month()),
      .year = static_cast<unsigned>(static_cast<int>(date.year())),
  };
}

std::optional<std::int64_t> SecondsFromCmosTime(const CmosTime& time) {
  if (time.second > 59 || time.minute > 59 || time.hour > 23 || time.year > 9999) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(time.year)),
                                         std::chrono::month(time.month),
                                         std::chrono::day(time.day));
  if (!date.ok()) {
    return std::nullopt;
  }
  return DaySeconds(static_cast<int>(time.year), time.month, time.day) +
         std::int64_t{time.hour} * kSecondsPerHour + std::int64_t{time.minute} * kSecondsPerMinute +
         time.second;
}

std::uint8_t CmosFormat::Encode(unsigned value) const {
  return static_cast<std::uint8_t>(binary ? value : (value / 10 << 4U) | value % 10);
}

std::uint8_t CmosFormat::EncodeHour(unsigned hour) const {
  if (hours_24) {
    return Encode(hour);
  }
  const unsigned afternoon = hour >= 12 ? 0x80U : 0U;
  const unsigned of_twelve = hour % 12 == 0 ? 12 : hour % 12;
  return static_cast<std::uint8_t>(Encode(of_twelve) | afternoon);
}

std::optional<unsigned> CmosFormat::Decode(std::uint8_t value) const {
  if (binary) {
    return value;
  }
  const unsigned tens = value >> 4U;
  const unsigned ones = value & 0xfU;
  if (tens > 9 || ones > 9) {
    return std::nullopt;
  }
  return tens * 10 + ones;
}

std::optional<unsigned> CmosFormat::DecodeHour(std::uint8_t value) const {
  if (hours_24) {
    return Decode(value);
  }
  const std::optional<unsigned> hour = Decode(value & 0x7fU);
  if (!hour || *hour < 1 || *hour > 12) {
    return std::nullopt;
  }
  return *hour % 12 + ((value & 0x80U) != 0 ? 12 : 0);
}

std::optional<std::int64_t> CmosAlarm::NextAfter(std::int64_t seconds) const {
  // Skips by the largest unit that does not match. Past two rounds of 24 hours, 60 minutes and 60
  // seconds each there can be no match.
  constexpr int kSteps = 2 * (24 + 60 + 60);
  std::int64_t time = seconds + 1;
  for (int i = 0; i < kSteps; ++i) {
    const CmosTime at = CmosTimeFromSeconds(time);
    if (!hour.Matches(at.hour)) {
      time += kSecondsPerHour - std::int64_t{at.minute} * kSecondsPerMinute - at.second;
    } else if (!minute.Matches(at.minute)) {
      time += kSecondsPerMinute - at.second;
    } else if (!second.Matches(at.second)) {
      ++time;
    } else {
      return time;
    }
  }
  return std::nullopt;
}

}  // namespace veneer
