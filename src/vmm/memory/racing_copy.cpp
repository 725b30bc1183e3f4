#include "veneer/vmm/memory/racing_copy.h"

#include <atomic>

namespace veneer {

__attribute__((noinline, no_sanitize("thread"))) void CopyRacing(std::byte* to,
                                                                 const std::byte* from,
                                                                 std::size_t length) {
  if constexpr (kThreadSanitizer) {
    // It also looks into memcpy(), wherever that is called from.
    const volatile std::byte* source = from;
    volatile std::byte* target = to;
    for (std::size_t i = 0; i < length; ++i) {
      target[i] = source[i];
    }
  } else {
    std::memcpy(to, from, length);
  }
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

}  // namespace veneer
