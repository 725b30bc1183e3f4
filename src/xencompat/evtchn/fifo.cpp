#include "fifo.h"

#include "veneer/vmm/memory/guest_memory.h"

namespace veneer {
namespace {

constexpr event_word_t kPending = event_word_t{1} << EVTCHN_FIFO_PENDING;
constexpr event_word_t kMasked = event_word_t{1} << EVTCHN_FIFO_MASKED;
constexpr event_word_t kLinked = event_word_t{1} << EVTCHN_FIFO_LINKED;
constexpr event_word_t kBusy = event_word_t{1} << EVTCHN_FIFO_BUSY;
constexpr event_word_t kLink = EVTCHN_FIFO_LINK_MASK;

// A guest that keeps to the protocol changes a linked word at most four times after it has seen
// BUSY: it clears LINKED once and flips MASKED and PENDING.
constexpr int kAppendAttempts = 5;

}  // namespace

std::byte* Fifo::WordOf(std::uint32_t number) const {
  if (number >= words()) {
    return nullptr;
  }
  return pages_[number / kWordsPerPage] +
         std::size_t{number % kWordsPerPage} * sizeof(event_word_t);
}

Delivery Fifo::SetPending(std::uint32_t number, Port& port) {
  std::byte* address = WordOf(number);
  if (address == nullptr) {
    port.pending_without_word = true;
    return {};
  }
  if (vcpus_[port.vcpu].control == nullptr) {
    lost_.Add();
    return {};
  }
  const auto word = SharedWord<event_word_t>(address);
  Delivery delivery;
  delivery.newly_pending = (word.fetch_or(kPending) & kPending) == 0;
  const bool masked = (word.load() & kMasked) != 0;
  if (!masked && (word.fetch_or(kLinked) & kLinked) == 0) {
    delivery.mark_vcpu = Link(number, port);
  }
  return delivery;
}

// Puts a port, whose word has just been marked as linked, at the end of its queue. True if the vCPU
// has to be told that the queue is no longer empty.
bool Fifo::Link(std::uint32_t number, Port& port) {
  // It was unlinked, so as the tail of a queue it was the last to leave: that queue is empty. The
  // tail must go, or the next event there would be appended to a word that is now elsewhere.
  std::uint32_t& last_tail = vcpus_[port.last_vcpu].tails[port.last_priority];
  if (last_tail == number) {
    last_tail = 0;
  }
  port.last_vcpu = port.vcpu;
  port.last_priority = port.priority;

  VcpuQueues& queues = vcpus_[port.vcpu];
  std::uint32_t& tail = queues.tails[port.priority];
  const bool appended = tail != 0 && AppendAfter(WordOf(tail), number);
  tail = number;
  if (appended) {
    return false;
  }
  const std::size_t head_offset =
      offsetof(evtchn_fifo_control_block_t, head) + port.priority * sizeof(std::uint32_t);
  SharedWord<std::uint32_t>(queues.control + head_offset).store(number);
  const std::uint32_t ready_bit = std::uint32_t{1} << port.priority;
  const auto ready =
      SharedWord<std::uint32_t>(queues.control + offsetof(evtchn_fifo_control_block_t, ready));
  return (ready.fetch_or(ready_bit) & ready_bit) == 0;
}

// Links `number` behind the tail if the tail is still queued. False if the guest has taken it off:
// then the queue is empty.
bool Fifo::AppendAfter(std::byte* tail_word, std::uint32_t number) {
  const auto word = SharedWord<event_word_t>(tail_word);
  event_word_t seen = word.load();
  for (int attempt = 0; attempt < kAppendAttempts; ++attempt) {
    if ((seen & kLinked) == 0) {
      if (attempt > 0) {
        word.fetch_and(~kBusy);
      }
      return false;
    }
    if (word.compare_exchange_strong(seen, (seen & ~(kBusy | kLink)) | number)) {
      return true;
    }
    if (attempt == 0) {
      // BUSY asks the guest not to unmask meanwhile, so that the next attempts can succeed.
      seen = word.fetch_or(kBusy) | kBusy;
    }
  }
  word.fetch_and(~kBusy);
  violations_.Add();
  return true;
}

Delivery Fifo::Unmask(std::uint32_t number, Port& port) {
  std::byte* address = WordOf(number);
  if (address == nullptr) {
    return {};
  }
  const auto word = SharedWord<event_word_t>(address);
  word.fetch_and(~kMasked);
  return (word.load() & kPending) != 0 ? SetPending(number, port) : Delivery{};
}

void Fifo::ClearPending(std::uint32_t number) {
  if (std::byte* address = WordOf(number)) {
    SharedWord<event_word_t>(address).fetch_and(~kPending);
  }
}

bool Fifo::IsPending(std::uint32_t number) const {
  std::byte* address = WordOf(number);
  return address != nullptr && (SharedWord<event_word_t>(address).load() & kPending) != 0;
}

bool Fifo::IsMasked(std::uint32_t number) const {
  std::byte* address = WordOf(number);
  return address != nullptr && (SharedWord<event_word_t>(address).load() & kMasked) != 0;
}

std::uint32_t Fifo::Ready(std::uint32_t vcpu) const {
  std::byte* const control = vcpus_[vcpu].control;
  return control == nullptr
             ? 0
             : SharedWord<std::uint32_t>(control + offsetof(evtchn_fifo_control_block_t, ready))
                   .load();
}

bool Fifo::IsBusy(std::uint32_t number) const {
  std::byte* address = WordOf(number);
  return address != nullptr && (SharedWord<event_word_t>(address).load() & kLinked) != 0;
}

}  // namespace veneer
