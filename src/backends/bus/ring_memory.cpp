#include "veneer/backends/bus/ring_memory.h"

#include <algorithm>
#include <utility>

#include "veneer/vmm/base/check.h"
#include "veneer/vmm/memory/guest_memory.h"
#include "veneer/vmm/memory/racing_copy.h"

namespace veneer {

RingMemory::RingMemory(std::vector<std::span<std::byte>> pages) : pages_(std::move(pages)) {
  VENEER_CHECK(!pages_.empty());
  for (const std::span<std::byte> page : pages_) {
    VENEER_CHECK(page.size() == kPageSize);
  }
  first_page_ = pages_.front().data();
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
