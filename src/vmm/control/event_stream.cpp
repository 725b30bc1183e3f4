#include "event_stream.h"

#include <array>
#include <ctime>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "json_line.h"

namespace veneer {
namespace {

using Json = nlohmann::ordered_json;

// RFC 3339, in UTC.
std::string TimeText(std::uint64_t realtime_ns) {
  constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
  const auto seconds = static_cast<std::time_t>(realtime_ns / kNsPerSecond);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 32> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  return fmt::format("{}.{:06}Z", std::string_view(text.data(), length),
                     realtime_ns % kNsPerSecond / 1000);
}

Json ValueOf(const GuestEvent::Value& value) {
  if (const auto* const text = std::get_if<std::string>(&value)) {
    return text->substr(0, EventStream::kMostTextBytes);
  }
  if (const auto* const number = std::get_if<std::uint64_t>(&value)) {
    return *number;
  }
  return std::get<double>(value);
}

}  // namespace

void EventStream::Record(const GuestEvent& event) {
  Json json{{"seq", next_}, {"time", TimeText(clock_.RealtimeNs())}, {"event", event.name}};
  for (const auto& [name, value] : event.members) {
    json[std::string(name)] = ValueOf(value);
  }
  lines_.push_back(JsonLine(json) + "\n");
  ++next_;
  if (lines_.size() > kMostEvents) {
    lines_.pop_front();
  }
}

std::string EventStream::Next(std::uint64_t& position, std::size_t most) {
  std::string text;
  const std::uint64_t oldest = Oldest();
  if (position < oldest) {
    const std::uint64_t lost = oldest - position;
    dropped_.Add(lost);
    text = JsonLine({{"event", "dropped"}, {"count", lost}}) + "\n";
    position = oldest;
  }
  while (position < next_ && text.size() < most) {
    text += lines_[position - oldest];
    ++position;
  }
  return text;
}

}  // namespace veneer
