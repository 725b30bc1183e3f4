// What has happened to a guest, as lines of JSON.
#pragma once

#include <deque>

#include "stream_source.h"
#include "veneer/vmm/base/clock.h"
#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/control/guest_event.h"

namespace veneer {

// On the loop's thread. A listener's position is the number of the event that comes next.
class EventStream final : public StreamSource {
 public:
  static constexpr std::size_t kMostEvents = 256;     // kept
  static constexpr std::size_t kMostTextBytes = 512;  // of a member; the rest is cut off

  // `dropped` counts the events that listeners have missed, each for itself.
  EventStream(const Clock& clock, Counter& dropped) : clock_(clock), dropped_(dropped) {}

  void Record(const GuestEvent& event);

  std::uint64_t Oldest() override { return next_ - lines_.size(); }
  std::string Next(std::uint64_t& position, std::size_t most) override;
  std::size_t Input(std::span<const std::byte> text) override { return text.size(); }
  void SetWriter(bool present) override { static_cast<void>(present); }

 private:
  const Clock& clock_;
  Counter& dropped_;
  std::deque<std::string> lines_;
  std::uint64_t next_ = 1;
};

}  // namespace veneer
