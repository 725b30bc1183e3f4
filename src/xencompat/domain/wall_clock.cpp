#include "wall_clock.h"

#include "veneer/vmm/memory/guest_memory.h"
#include "veneer/xencompat/abi/xen_headers.h"

namespace veneer {
namespace {

// Where the four words are, in bytes from the start of shared_info.
struct Places {
  std::size_t version, seconds, nanoseconds, seconds_high;
};

constexpr Places kPlaces64 = {offsetof(shared_info_t, wc_version), offsetof(shared_info_t, wc_sec),
                              offsetof(shared_info_t, wc_nsec), offsetof(shared_info_t, wc_sec_hi)};
constexpr Places kPlaces32 = {
    offsetof(shared_info_x86_32_t, wc_version), offsetof(shared_info_x86_32_t, wc_sec),
    offsetof(shared_info_x86_32_t, wc_nsec), offsetof(shared_info_x86_32_t, arch.wc_sec_hi)};

}  // namespace

void WriteWallClock(std::span<std::byte, kPageSize> shared_info, GuestWidth width,
                    std::uint64_t boot_ns) {
  const Places& at = width == GuestWidth::k32 ? kPlaces32 : kPlaces64;
  const auto word = [&](std::size_t offset) {
    return SharedWord<std::uint32_t>(shared_info.data() + offset);
  };
  constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
  const std::uint64_t seconds = boot_ns / kNsPerSecond;
  // An odd version says that the rest is changing.
  const std::uint32_t version = word(at.version).load() | 1U;
  word(at.version).store(version);
  word(at.seconds).store(static_cast<std::uint32_t>(seconds));
  word(at.nanoseconds).store(static_cast<std::uint32_t>(boot_ns % kNsPerSecond));
  word(at.seconds_high).store(static_cast<std::uint32_t>(seconds >> 32));
  word(at.version).store(version + 1U);
}

}  // namespace veneer
