// The guest's side of a PV console: a page with <xen/io/console.h>'s rings, used as a driver does.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "veneer/vmm/memory/guest_memory.h"

// clang-format off: it uses the fixed-width integers without asking for them
#include <xen/io/console.h>
// clang-format on

namespace veneer::testing {

// Write() may run on one thread and Read() on another.
class ConsoleFrontEnd {
 public:
  static constexpr std::uint32_t kInSize = sizeof(xencons_interface::in);
  static constexpr std::uint32_t kOutSize = sizeof(xencons_interface::out);

  std::span<std::byte, kPageSize> page() { return page_; }

  std::atomic_ref<std::uint32_t> in_cons() { return Word(offsetof(xencons_interface, in_cons)); }
  std::atomic_ref<std::uint32_t> in_prod() { return Word(offsetof(xencons_interface, in_prod)); }
  std::atomic_ref<std::uint32_t> out_cons() { return Word(offsetof(xencons_interface, out_cons)); }
  std::atomic_ref<std::uint32_t> out_prod() { return Word(offsetof(xencons_interface, out_prod)); }

  // Lets both indices of each ring start at `index`.
  void StartAt(std::uint32_t index) {
    for (const auto& word : {in_cons(), in_prod(), out_cons(), out_prod()}) {
      word.store(index);
    }
  }

  // Prints what fits; returns how many characters did.
  std::size_t Write(std::string_view text) {
    const std::uint32_t producer = out_prod().load();
    const std::size_t room = kOutSize - (producer - out_cons().load());
    const std::size_t count = std::min(text.size(), room);
    for (std::size_t i = 0; i < count; ++i) {
      page_[offsetof(xencons_interface, out) + (producer + i) % kOutSize] =
          static_cast<std::byte>(text[i]);
    }
    out_prod().store(producer + static_cast<std::uint32_t>(count));
    return count;
  }

  // Reads up to `limit` characters of what has been typed.
  std::string Read(std::size_t limit = kInSize) {
    const std::uint32_t consumer = in_cons().load();
    const std::size_t count = std::min<std::size_t>(limit, in_prod().load() - consumer);
    std::string text;
    for (std::size_t i = 0; i < count; ++i) {
      text.push_back(
          static_cast<char>(page_[offsetof(xencons_interface, in) + (consumer + i) % kInSize]));
    }
    in_cons().store(consumer + static_cast<std::uint32_t>(count));
    return text;
  }

 private:
  std::atomic_ref<std::uint32_t> Word(std::size_t offset) {
    return SharedWord<std::uint32_t>(page_.data() + offset);
  }

  alignas(kPageSize) std::array<std::byte, kPageSize> page_{};
};

}  // namespace veneer::testing
