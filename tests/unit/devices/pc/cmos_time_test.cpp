#include "src/devices/pc/cmos_time.h"

#include <gtest/gtest.h>

namespace veneer {
namespace {

constexpr std::int64_t kDay = 86400;

TEST(CmosTime, SplitsSecondsIntoADate) {
  const CmosTime time = CmosTimeFromSeconds(1709210096);  // Thursday 2024-02-29 12:34:56
  EXPECT_EQ(time.year, 2024U);
  EXPECT_EQ(time.month, 2U);
  EXPECT_EQ(time.day, 29U);
  EXPECT_EQ(time.weekday, 5U);
  EXPECT_EQ(time.hour, 12U);
  EXPECT_EQ(time.minute, 34U);
  EXPECT_EQ(time.second, 56U);
}

TEST(CmosTime, EveryDayOfFourCenturiesGoesThereAndBack) {
  for (std::int64_t seconds = -100 * 365 * kDay; seconds < 300 * 365 * kDay;
       seconds += kDay + 3601) {
    ASSERT_EQ(SecondsFromCmosTime(CmosTimeFromSeconds(seconds)), seconds);
  }
}

TEST(CmosTime, DatesThatDoNotExistAreRefused) {
  const CmosTime good{.day = 28, .month = 2, .year = 2023};
  EXPECT_TRUE(SecondsFromCmosTime(good));
  const auto bad = [&good](auto change) {
    CmosTime time = good;
    change(time);
    return !SecondsFromCmosTime(time);
  };
  EXPECT_TRUE(bad([](CmosTime& t) { t.day = 29; }));
  EXPECT_TRUE(bad([](CmosTime& t) { t.day = 0; }));
  EXPECT_TRUE(bad([](CmosTime& t) { t.month = 13; }));
  EXPECT_TRUE(bad([](CmosTime& t) { t.month = 0; }));
  EXPECT_TRUE(bad([](CmosTime& t) { t.hour = 24; }));
  EXPECT_TRUE(bad([](CmosTime& t) { t.minute = 60; }));
  EXPECT_TRUE(bad([](CmosTime& t) { t.second = 60; }));
  EXPECT_TRUE(bad([](CmosTime& t) { t.year = 10000; }));
  EXPECT_TRUE(bad([](CmosTime& t) { t.day = ~0U; }));
  EXPECT_TRUE(bad([](CmosTime& t) { t.month = ~0U; }));
  EXPECT_TRUE(bad([](CmosTime& t) { t.year = ~0U; }));
}

TEST(CmosTime, YearsBeyondFourDigitsAreClamped) {
  EXPECT_EQ(CmosTimeFromSeconds(INT64_MAX / 1000000).year, 9999U);
  EXPECT_EQ(CmosTimeFromSeconds(INT64_MIN / 1000000).year, 0U);
}

TEST(CmosFormat, WritesBcdOrBinary) {
  EXPECT_EQ((CmosFormat{.binary = false}).Encode(59), 0x59);
  EXPECT_EQ((CmosFormat{.binary = true}).Encode(59), 59);
  EXPECT_EQ((CmosFormat{.binary = false}).Decode(0x59), 59U);
  EXPECT_EQ((CmosFormat{.binary = true}).Decode(59), 59U);
  EXPECT_FALSE((CmosFormat{.binary = false}).Decode(0x5a));
  EXPECT_FALSE((CmosFormat{.binary = false}).Decode(0xa0));
}

TEST(CmosFormat, TwelveHourClockMarksTheAfternoon) {
  const CmosFormat format{.binary = false, .hours_24 = false};
  EXPECT_EQ(format.EncodeHour(0), 0x12);
  EXPECT_EQ(format.EncodeHour(1), 0x01);
  EXPECT_EQ(format.EncodeHour(11), 0x11);
  EXPECT_EQ(format.EncodeHour(12), 0x92);
  EXPECT_EQ(format.EncodeHour(23), 0x91);
  EXPECT_FALSE(format.DecodeHour(0x00));
  EXPECT_FALSE(format.DecodeHour(0x13));
}

TEST(CmosFormat, EveryHourGoesThereAndBackInEveryFormat) {
  for (const bool binary : {false, true}) {
    for (const bool hours_24 : {false, true}) {
      const CmosFormat format{binary, hours_24};
      for (unsigned hour = 0; hour < 24; ++hour) {
        EXPECT_EQ(format.DecodeHour(format.EncodeHour(hour)), hour);
      }
    }
  }
}

CmosAlarm::Field At(unsigned value) { return {false, value}; }
constexpr CmosAlarm::Field kAny{true, std::nullopt};
constexpr CmosAlarm::Field kNever{false, std::nullopt};

TEST(CmosAlarm, FindsTheNextMatchToday) {
  const CmosAlarm alarm{.second = At(5), .minute = At(30), .hour = At(7)};
  EXPECT_EQ(alarm.NextAfter(0), 7 * 3600 + 30 * 60 + 5);
}

TEST(CmosAlarm, OrTomorrow) {
  const CmosAlarm alarm{.second = At(5), .minute = At(30), .hour = At(7)};
  const std::int64_t today = 7 * 3600 + 30 * 60 + 5;
  EXPECT_EQ(alarm.NextAfter(today), today + kDay);
  EXPECT_EQ(alarm.NextAfter(today - 1), today);
}

TEST(CmosAlarm, WildcardsMatchEverything) {
  EXPECT_EQ((CmosAlarm{kAny, kAny, kAny}).NextAfter(12345), 12346);
  EXPECT_EQ((CmosAlarm{At(0), kAny, kAny}).NextAfter(60), 120);
  EXPECT_EQ((CmosAlarm{At(0), At(0), kAny}).NextAfter(60), 3600);
  EXPECT_EQ((CmosAlarm{At(59), At(59), At(23)}).NextAfter(kDay - 1), 2 * kDay - 1);
}

TEST(CmosAlarm, AgreesWithTryingEverySecond) {
  const CmosAlarm alarms[] = {
      {At(1), At(2), At(3)}, {At(59), kAny, At(0)}, {kAny, At(0), At(23)}, {At(30), At(59), kAny}};
  for (const CmosAlarm& alarm : alarms) {
    for (const std::int64_t start : {std::int64_t{0}, 3 * kDay - 1, kDay + 40000}) {
      std::int64_t expected = start + 1;
      for (;; ++expected) {
        const CmosTime t = CmosTimeFromSeconds(expected);
        if (alarm.hour.Matches(t.hour) && alarm.minute.Matches(t.minute) &&
            alarm.second.Matches(t.second)) {
          break;
        }
      }
      EXPECT_EQ(alarm.NextAfter(start), expected);
    }
  }
}

TEST(CmosAlarm, ImpossibleValuesNeverMatch) {
  EXPECT_FALSE((CmosAlarm{kNever, kAny, kAny}).NextAfter(0));
  EXPECT_FALSE((CmosAlarm{kAny, At(60), kAny}).NextAfter(0));
  EXPECT_FALSE((CmosAlarm{kAny, kAny, At(24)}).NextAfter(0));
}

}  // namespace
}  // namespace veneer
