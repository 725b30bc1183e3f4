#include "veneer/ring/ring_memory.h"

#include <algorithm>
#include <utility>

#include "veneer/base/check.h"
#include "veneer/memory/guest_memory.h"

namespace veneer {
namespace {

// The guest may write while we copy: the copy is what gets checked, so the race is intended and
// hidden from ThreadSanitizer. Not inlined, and fenced, so that no compiler reads the ring again
// in place of the copy.
__attribute__((noinline, no_sanitize("thread"))) void CopyRacing(std::byte* to,
                                                                 const std::byte* from,
                                                                 std::size_t length) {
#if VENEER_THREAD_SANITIZER
  const volatile std::byte* source = from;
  volatile std::byte* target = to;
  for (std::size_t i = 0; i < length; ++i) {
    target[i] = source[i];
  }
#else
  std::memcpy(to, from, length);
#endif
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

}  // namespace

RingMemory::RingMemory(std::vector<std::span<std::byte>> pages) : pages_(std::move(pages)) {
  VENEER_CHECK(!pages_.empty());
  for (const std::span<std::byte> page : pages_) {
    VENEER_CHECK(page.size() == kPageSize);
  }
}

void RingMemory::Read(std::size_t offset, std::span<std::byte> out) const {
  VENEER_CHECK(offset <= size() && out.size() <= size() - offset);
  while (!out.empty()) {
    const std::size_t in_page = offset % kPageSize;
    const std::size_t count = std::min(out.size(), std::size_t{kPageSize} - in_page);
    CopyRacing(out.data(), pages_[offset / kPageSize].data() + in_page, count);
    out = out.subspan(count);
    offset += count;
  }
}

void RingMemory::Write(std::size_t offset, std::span<const std::byte> data) {
  VENEER_CHECK(offset <= size() && data.size() <= size() - offset);
  while (!data.empty()) {
    const std::size_t in_page = offset % kPageSize;
    const std::size_t count = std::min(data.size(), std::size_t{kPageSize} - in_page);
    CopyRacing(pages_[offset / kPageSize].data() + in_page, data.data(), count);
    data = data.subspan(count);
    offset += count;
  }
}

std::atomic_ref<std::uint32_t> RingMemory::Word(std::size_t offset) {
  VENEER_CHECK(offset % sizeof(std::uint32_t) == 0 && offset < size());
  return SharedWord<std::uint32_t>(pages_[offset / kPageSize].data() + offset % kPageSize);
}

}  // namespace veneer
