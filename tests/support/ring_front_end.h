// The guest's side of a ring of <xen/io/ring.h>, used as a driver does, or misused.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "veneer/vmm/base/check.h"
#include "veneer/vmm/memory/guest_memory.h"

namespace veneer::testing {

// Entries may straddle pages. Belongs to one thread, but for what words() callers do on purpose.
template <typename Request, typename Response>
class RingFrontEnd {
 public:
  static constexpr std::size_t kEntrySize = std::max(sizeof(Request), sizeof(Response));

  RingFrontEnd() = default;
  explicit RingFrontEnd(std::vector<std::span<std::byte>> pages)
      : pages_(std::move(pages)),
        size_(static_cast<std::uint32_t>(
            std::bit_floor((pages_.size() * kPageSize - 64) / kEntrySize))) {
    StartAt(0);
  }

  // As SHARED_RING_INIT, with the indices at `index`.
  void StartAt(std::uint32_t index) {
    req_prod().store(index);
    rsp_prod().store(index);
    req_event().store(index + 1);
    rsp_event().store(index + 1);
    next_request_ = index;
    next_response_ = index;
  }

  std::uint32_t size() const { return size_; }
  std::atomic_ref<std::uint32_t> req_prod() { return Word(0); }
  std::atomic_ref<std::uint32_t> req_event() { return Word(4); }
  std::atomic_ref<std::uint32_t> rsp_prod() { return Word(8); }
  std::atomic_ref<std::uint32_t> rsp_event() { return Word(12); }

  bool Full() const { return next_request_ - next_response_ == size_; }
  std::uint32_t outstanding() const { return next_request_ - next_response_; }

  // CHECKs that there is room; shown by Push().
  void Put(const Request& request) {
    VENEER_CHECK(!Full());
    CopyTo(next_request_++, std::as_bytes(std::span(&request, 1)));
  }
  // True if the back-end asked to be told.
  bool Push() {
    const std::uint32_t before = req_prod().load();
    req_prod().store(next_request_);
    return next_request_ - req_event().load() < next_request_ - before;
  }
  bool HasResponse() { return rsp_prod().load() != next_response_; }
  // CHECKs that there is one.
  Response Take() {
    VENEER_CHECK(HasResponse());
    Response response;
    CopyFrom(next_response_++, std::as_writable_bytes(std::span(&response, 1)));
    return response;
  }
  // Asks to be told when `responses` more are there; true if they are already.
  bool AskForEvent(std::uint32_t responses = 1) {
    rsp_event().store(next_response_ + responses);
    return rsp_prod().load() - next_response_ >= responses;
  }

  // One entry as bytes, whatever index.
  void CopyTo(std::uint32_t index, std::span<const std::byte> data) {
    std::size_t offset = EntryOffset(index);
    if (InOnePage(offset, data.size())) {
      std::memcpy(At(offset), data.data(), data.size());
      return;
    }
    for (const std::byte value : data) {
      *At(offset++) = value;
    }
  }
  void CopyFrom(std::uint32_t index, std::span<std::byte> out) {
    std::size_t offset = EntryOffset(index);
    if (InOnePage(offset, out.size())) {
      std::memcpy(out.data(), At(offset), out.size());
      return;
    }
    for (std::byte& value : out) {
      value = *At(offset++);
    }
  }

 private:
  std::atomic_ref<std::uint32_t> Word(std::size_t offset) {
    return SharedWord<std::uint32_t>(pages_[0].data() + offset);
  }
  std::size_t EntryOffset(std::uint32_t index) const {
    return 64 + (index & (size_ - 1)) * kEntrySize;
  }
  static bool InOnePage(std::size_t offset, std::size_t length) {
    return offset % kPageSize + length <= kPageSize;
  }
  std::byte* At(std::size_t offset) const {
    return pages_[offset / kPageSize].data() + offset % kPageSize;
  }

  std::vector<std::span<std::byte>> pages_;
  std::uint32_t size_ = 0;
  std::uint32_t next_request_ = 0;
  std::uint32_t next_response_ = 0;
};

}  // namespace veneer::testing
