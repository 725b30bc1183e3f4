// The back-end of the guest's PV console (hvc0 in Linux): the two character rings of
// <xen/io/console.h> (struct xencons_interface) in a page that the guest shares.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>

#include "veneer/vmm/base/log.h"
#include "veneer/vmm/base/metrics.h"
#include "veneer/vmm/base/mutex.h"
#include "veneer/vmm/memory/gpa.h"

namespace veneer {

// Thread-safe. Everything in the page is the guest's to change at any time; a ring whose indices
// make no sense is left alone until they do again. The indices live in the page only, so a guest
// that starts over with other ones is followed.
class PvConsole {
 public:
  // What the guest prints, at most a ring's worth at a time and never empty. Called on the thread
  // that brings the news, never by two at once, and may call Input() but not OnEvent(), Drain() or
  // Reset(). What it cannot take it drops: the guest must not wait for it.
  using Output = std::function<void(std::span<const std::byte> text)>;

  // `page` stays mapped as long as this object; its content is kept as found. `notify` raises the
  // guest's event channel; it is called on any thread, with no lock held.
  //
  // Counts console.output_bytes, console.input_bytes and console.bad_rings (looks at a ring whose
  // indices were further apart than its size).
  PvConsole(std::span<std::byte, kPageSize> page, Output output, std::function<void()> notify,
            Metrics& metrics);
  PvConsole(const PvConsole&) = delete;
  PvConsole& operator=(const PvConsole&) = delete;

  // Before the vCPUs run. Called on a vCPU thread, without locks held, when the guest has read
  // something after Input() had taken less than it was given.
  void SetRoomCallback(std::function<void()> on_room) { on_room_ = std::move(on_room); }

  // The guest has signalled its event channel: hands on what is in its output ring, and tells it
  // if that was anything.
  void OnEvent();

  // Hands on what the guest has printed but not yet signalled, without telling it: for when the
  // machine stops.
  void Drain();

  // Characters typed at the host's end. Returns how many were taken, fewer than given when the
  // input ring is full or makes no sense; the room callback says when to come again.
  std::size_t Input(std::span<const std::byte> text);

  // The guest starts over (reset, reboot): empties both rings. Calls the room callback if it is
  // due.
  void Reset();

 private:
  bool TakeOutput();
  struct InputRing {
    std::uint32_t producer = 0;
    std::size_t room = 0;  // characters that fit
  };
  // With input_mutex_ held; nothing if the ring makes no sense.
  std::optional<InputRing> LookAtInput() const;
  bool RoomCallbackDue();
  void CountBadRing(const char* ring);

  const std::span<std::byte, kPageSize> page_;
  const Output output_;
  const std::function<void()> notify_;
  std::function<void()> on_room_;
  Counter& output_bytes_;
  Counter& input_bytes_;
  Counter& bad_rings_;
  LogLimiter limiter_;

  // Guards our side of the output ring; held during output_, which keeps its calls in order.
  Mutex output_mutex_ ACQUIRED_BEFORE(input_mutex_);
  Mutex input_mutex_;  // guards our side of the input ring, too
  bool room_wanted_ GUARDED_BY(input_mutex_) = false;
};

}  // namespace veneer
