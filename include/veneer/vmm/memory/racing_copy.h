// Copies from and to memory that the guest may write at the same time. A copy is a snapshot, which
// the caller checks afterwards: the race is intended, and hidden from ThreadSanitizer.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace veneer {

#if defined(__SANITIZE_THREAD__)
inline constexpr bool kThreadSanitizer = true;
#elif defined(__has_feature)
inline constexpr bool kThreadSanitizer = __has_feature(thread_sanitizer);
#else
inline constexpr bool kThreadSanitizer = false;
#endif

// Not inlined, and fenced, so that no compiler reads the guest's memory again in place of the copy.
void CopyRacing(std::byte* to, const std::byte* from, std::size_t length);

// The same for one object of known size, at the price of a few moves.
template <typename T>
void LoadRacing(T& to, const std::byte* from) {
  if constexpr (kThreadSanitizer) {
    CopyRacing(reinterpret_cast<std::byte*>(&to), from, sizeof to);
  } else {
    std::memcpy(&to, from, sizeof to);
    // For all the compiler knows, `to` is something else now: it can't take the source's place.
    asm("" : "+m"(to));
  }
}

// The other way; `to` is aligned for T. Visible at the latest with the caller's next atomic store
// with release. What fits a register is put together there and stored at once; of what is larger
// the members are stored one by one, straight to where they go. To build the object in memory and
// copy it would be slow: the copy's loads wait for those stores to be done, and they wait behind
// earlier ones to cache lines that another processor has.
template <typename T>
void StoreRacing(std::byte* to, const T& from) {
  if constexpr (kThreadSanitizer) {
    CopyRacing(to, reinterpret_cast<const std::byte*>(&from), sizeof from);
  } else if constexpr (sizeof from == sizeof(std::uint64_t)) {
    const auto word = std::bit_cast<std::uint64_t>(from);
    std::memcpy(to, &word, sizeof word);
  } else if constexpr (sizeof from == sizeof(std::uint32_t)) {
    const auto word = std::bit_cast<std::uint32_t>(from);
    std::memcpy(to, &word, sizeof word);
  } else {
    *reinterpret_cast<T*>(to) = from;
  }
}

}  // namespace veneer
