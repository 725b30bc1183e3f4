#include "veneer/backends/console/pv_console.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>

#include "veneer/vmm/memory/guest_memory.h"

// clang-format off: it uses the fixed-width integers without asking for them
#include <xen/io/console.h>
// clang-format on

namespace veneer {
namespace {

constexpr std::size_t kIn = offsetof(xencons_interface, in);
constexpr std::size_t kInSize = sizeof(xencons_interface::in);
constexpr std::size_t kInConsumer = offsetof(xencons_interface, in_cons);
constexpr std::size_t kInProducer = offsetof(xencons_interface, in_prod);
constexpr std::size_t kOut = offsetof(xencons_interface, out);
constexpr std::size_t kOutSize = sizeof(xencons_interface::out);
constexpr std::size_t kOutConsumer = offsetof(xencons_interface, out_cons);
constexpr std::size_t kOutProducer = offsetof(xencons_interface, out_prod);

static_assert(sizeof(xencons_interface) <= kPageSize);
// Or indices would not carry on in the ring when they wrap at 2^32.
static_assert(std::has_single_bit(kInSize) && std::has_single_bit(kOutSize));

std::atomic_ref<std::uint32_t> Word(std::span<std::byte, kPageSize> page, std::size_t offset) {
  return SharedWord<std::uint32_t>(page.data() + offset);
}

// `count` bytes of a ring from `index` on: up to its end, and the rest from its start.
struct Pieces {
  std::span<std::byte> first;
  std::span<std::byte> second;
};
Pieces RingBytes(std::span<std::byte> ring, std::uint32_t index, std::size_t count) {
  const std::size_t start = index % ring.size();
  const std::size_t first = std::min(count, ring.size() - start);
  return {ring.subspan(start, first), ring.first(count - first)};
}

}  // namespace

PvConsole::PvConsole(std::span<std::byte, kPageSize> page, Output output,
                     std::function<void()> notify, Metrics& metrics)
    : page_(page),
      output_(std::move(output)),
      notify_(std::move(notify)),
      output_bytes_(metrics.Get("console.output_bytes")),
      input_bytes_(metrics.Get("console.input_bytes")),
      bad_rings_(metrics.Get("console.bad_rings")) {}

void PvConsole::OnEvent() {
  if (TakeOutput()) {
    notify_();
  }
  if (RoomCallbackDue()) {
    on_room_();
  }
}

void PvConsole::Drain() { TakeOutput(); }

// One copy is enough: for what the guest adds meanwhile it sends another event, and a guest that
// never stops adding does not keep us here.
bool PvConsole::TakeOutput() {
  const MutexLock lock(output_mutex_);
  const auto consumer = Word(page_, kOutConsumer);
  const std::uint32_t begin = consumer.load(std::memory_order_relaxed);
  // Acquire: the characters were written before the producer index.
  const std::uint32_t count = Word(page_, kOutProducer).load(std::memory_order_acquire) - begin;
  if (count > kOutSize) {
    CountBadRing("output");
    return false;
  }
  if (count == 0) {
    return false;
  }
  std::array<std::byte, kOutSize> text;
  const Pieces pieces = RingBytes(page_.subspan(kOut, kOutSize), begin, count);
  const auto middle = std::copy(pieces.first.begin(), pieces.first.end(), text.begin());
  std::copy(pieces.second.begin(), pieces.second.end(), middle);
  // Release: the characters are read before the guest may overwrite them.
  consumer.store(begin + count, std::memory_order_release);
  output_bytes_.Add(count);
  output_(std::span(text).first(count));
  return true;
}

std::size_t PvConsole::Input(std::span<const std::byte> text) {
  std::size_t taken = 0;
  {
    const MutexLock lock(input_mutex_);
    const std::optional<InputRing> ring = LookAtInput();
    if (!ring) {
      CountBadRing("input");
    } else {
      taken = std::min(text.size(), ring->room);
    }
    if (taken > 0) {
      const Pieces pieces = RingBytes(page_.subspan(kIn, kInSize), ring->producer, taken);
      const auto middle = text.begin() + static_cast<std::ptrdiff_t>(pieces.first.size());
      std::copy(text.begin(), middle, pieces.first.begin());
      std::copy_n(middle, pieces.second.size(), pieces.second.begin());
      // Release: the guest finds the characters once it sees the index.
      Word(page_, kInProducer)
          .store(ring->producer + static_cast<std::uint32_t>(taken), std::memory_order_release);
    }
    if (taken < text.size()) {
      room_wanted_ = true;
    }
  }
  if (taken > 0) {
    input_bytes_.Add(taken);
    notify_();
  }
  return taken;
}

std::optional<PvConsole::InputRing> PvConsole::LookAtInput() const {
  const std::uint32_t producer = Word(page_, kInProducer).load(std::memory_order_relaxed);
  // Acquire: the guest has read the characters before it let us have their place.
  const std::uint32_t used = producer - Word(page_, kInConsumer).load(std::memory_order_acquire);
  if (used > kInSize) {
    return std::nullopt;
  }
  return InputRing{producer, kInSize - used};
}

bool PvConsole::RoomCallbackDue() {
  const MutexLock lock(input_mutex_);
  if (!room_wanted_ || !on_room_) {
    return false;
  }
  const std::optional<InputRing> ring = LookAtInput();
  if (!ring || ring->room == 0) {
    return false;
  }
  room_wanted_ = false;
  return true;
}

void PvConsole::Reset() {
  {
    const MutexLock output_mutex(output_mutex_);
    const MutexLock input_mutex(input_mutex_);
    for (const std::size_t index : {kInConsumer, kInProducer, kOutConsumer, kOutProducer}) {
      Word(page_, index).store(0);
    }
  }
  if (RoomCallbackDue()) {
    on_room_();
  }
}

void PvConsole::CountBadRing(const char* ring) {
  bad_rings_.Add();
  LogGuest(limiter_, "PV console: {} ring left alone, its indices are further apart than its size",
           ring);
}

}  // namespace veneer
