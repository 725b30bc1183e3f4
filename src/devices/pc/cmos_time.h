// Calendar and register formats of the MC146818: pure functions, without a clock.
#pragma once

#include <cstdint>
#include <optional>

namespace veneer {

struct CmosTime {
  unsigned second = 0;   // 0 to 59
  unsigned minute = 0;   // 0 to 59
  unsigned hour = 0;     // 0 to 23
  unsigned weekday = 1;  // 1 is Sunday
  unsigned day = 1;      // 1 to 31
  unsigned month = 1;    // 1 to 12
  unsigned year = 1970;  // 0 to 9999
};

// Seconds since 1970-01-01 00:00, clamped to the years that four digits can say.
CmosTime CmosTimeFromSeconds(std::int64_t seconds);
// Nothing for a date that does not exist; the weekday is not looked at.
std::optional<std::int64_t> SecondsFromCmosTime(const CmosTime& time);

// How status B has the registers written.
struct CmosFormat {
  bool binary = false;   // else BCD
  bool hours_24 = true;  // else 1 to 12, with bit 7 for the afternoon

  std::uint8_t Encode(unsigned value) const;
  std::uint8_t EncodeHour(unsigned hour) const;
  // Nothing for what is no number, or no hour.
  std::optional<unsigned> Decode(std::uint8_t value) const;
  std::optional<unsigned> DecodeHour(std::uint8_t value) const;
};

// The alarm registers; a register that is not set matches everything.
struct CmosAlarm {
  struct Field {
    bool any = false;
    std::optional<unsigned> value;  // nothing: an impossible value, never matches
    bool Matches(unsigned now) const { return any || value == now; }
  };
  Field second;
  Field minute;
  Field hour;

  // The first matching second after `seconds`, if there is any.
  std::optional<std::int64_t> NextAfter(std::int64_t seconds) const;
};

}  // namespace veneer
