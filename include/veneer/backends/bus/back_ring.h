// The back-end's half of a shared ring of requests and responses, after <xen/io/ring.h>: one page
// or several, every request copied once, every index checked.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "veneer/backends/bus/ring_memory.h"
#include "veneer/vmm/base/check.h"

namespace veneer {

// Where the words and the entries of a ring are (struct NAME_sring).
inline constexpr std::size_t kRingReqProd = 0;
inline constexpr std::size_t kRingReqEvent = 4;
inline constexpr std::size_t kRingRspProd = 8;
inline constexpr std::size_t kRingRspEvent = 12;
inline constexpr std::size_t kRingEntries = 64;

enum class RingTake { kRequest, kNothing, kBroken };

// Request and Response as they lie in the ring. A Response has no padding, so that no byte of the
// VMM's stack ever reaches the guest (XSA-216).
//
// Not thread-safe: belongs to the thread that serves the ring.
template <typename Request, typename Response>
class BackRing {
  static_assert(std::is_trivially_copyable_v<Request>);
  static_assert(std::is_trivially_copyable_v<Response>);
  static_assert(std::has_unique_object_representations_v<Response>);

 public:
  static constexpr std::size_t kEntrySize = std::max(sizeof(Request), sizeof(Response));
  static_assert(kEntrySize % alignof(Response) == 0);

  // The number of entries in a ring of that many pages: the largest power of two that fits.
  static constexpr std::uint32_t EntriesIn(std::size_t pages) {
    return static_cast<std::uint32_t>(
        std::bit_floor((pages * kPageSize - kRingEntries) / kEntrySize));
  }

  // Carries on where the front-end's ring stands (0 for a fresh one). `pages`: see RingMemory.
  explicit BackRing(std::vector<std::span<std::byte>> pages)
      : memory_(std::move(pages)), size_(EntriesIn(memory_.size() / kPageSize)) {
    response_producer_ = memory_.Word(kRingRspProd).load(std::memory_order_relaxed);
    published_ = response_producer_;
    request_consumer_ = response_producer_;
    seen_producer_ = response_producer_;
  }

  std::uint32_t size() const { return size_; }
  // Taken and not yet answered. At most size().
  std::uint32_t unanswered() const { return request_consumer_ - response_producer_; }
  // Answered with Put() and not yet shown by Publish().
  std::uint32_t unpublished() const { return response_producer_ - published_; }

  // The next request. kBroken, and from then on for ever: the front-end claims more requests than
  // the ring has room for.
  RingTake Take(Request& request) {
    if (request_consumer_ == seen_producer_) {
      if (const RingTake looked = Look(); looked != RingTake::kRequest) {
        return looked;
      }
    }
    memory_.Load(EntryOffset(request_consumer_), request);
    ++request_consumer_;
    return RingTake::kRequest;
  }

  // Answers one of the requests taken; the front-end sees it after Publish().
  void Put(const Response& response) {
    VENEER_CHECK(unanswered() > 0);
    memory_.Store(EntryOffset(response_producer_), response);
    ++response_producer_;
  }

  // Shows what was put. True if the front-end asked to be notified of any of it.
  bool Publish() {
    const std::uint32_t before = published_;
    published_ = response_producer_;
    // Sequentially consistent, both: the front-end sees the index before we look at its wish.
    memory_.Word(kRingRspProd).store(published_, std::memory_order_seq_cst);
    const std::uint32_t wish = memory_.Word(kRingRspEvent).load(std::memory_order_seq_cst);
    return published_ - wish < published_ - before;
  }

  // Asks to be notified when `requests` more (1 to size()) have been queued. True if so many are
  // there after all, or the ring is broken: look again instead of going to sleep.
  bool AskForEvent(std::uint32_t requests = 1) {
    memory_.Word(kRingReqEvent).store(request_consumer_ + requests, std::memory_order_seq_cst);
    const std::uint32_t waiting =
        memory_.Word(kRingReqProd).load(std::memory_order_seq_cst) - request_consumer_;
    return waiting >= requests;
  }

  // Its indices, for people: the front-end's as they are now, ours as the front-end sees them.
  std::string Report() {
    const auto word = [this](std::size_t offset) { return memory_.Word(offset).load(); };
    return fmt::format(
        "{} entries, req_prod={} req_event={} rsp_prod={} rsp_event={}, taken up to {}, answered "
        "up to {}{}",
        size_, word(kRingReqProd), word(kRingReqEvent), word(kRingRspProd), word(kRingRspEvent),
        request_consumer_, response_producer_, broken_ ? ", broken" : "");
  }

 private:
  // For more requests. What it finds stays within the ring's bounds as they are taken and answered.
  RingTake Look() {
    // Acquire: the requests were written before the index.
    const std::uint32_t producer = memory_.Word(kRingReqProd).load(std::memory_order_acquire);
    // Also true for an index that went backwards.
    broken_ = broken_ || producer - request_consumer_ > size_ - unanswered();
    if (broken_) {
      return RingTake::kBroken;
    }
    seen_producer_ = producer;
    return producer == request_consumer_ ? RingTake::kNothing : RingTake::kRequest;
  }
  std::size_t EntryOffset(std::uint32_t index) const {
    return kRingEntries + std::size_t{index & (size_ - 1)} * kEntrySize;
  }

  RingMemory memory_;
  std::uint32_t size_;
  std::uint32_t request_consumer_ = 0;   // of the next request to take
  std::uint32_t seen_producer_ = 0;      // the front-end's, as last looked at
  std::uint32_t response_producer_ = 0;  // of the next response to put
  std::uint32_t published_ = 0;          // what the front-end has been shown of it
  bool broken_ = false;
};

}  // namespace veneer
