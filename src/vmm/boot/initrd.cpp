#include "initrd.h"

#include <algorithm>

#include "byte_source.h"
#include "guest_copy.h"
#include "low_memory.h"

namespace veneer {
namespace {

// The fields for the address in boot_params are 32 bits wide.
constexpr std::uint64_t kAddressLimit = std::uint64_t{1} << 32U;

// The highest place in [low, high).
std::optional<Gpa> PlaceWithin(std::uint64_t size, std::uint64_t low, std::uint64_t high) {
  if (high < low || high - low < size) {
    return std::nullopt;
  }
  const Gpa base = Gpa{high - size}.PageBase();
  return base.value >= low ? std::optional(base) : std::nullopt;
}

}  // namespace

std::optional<Gpa> PlaceInitrd(std::uint64_t size, std::span<const E820Entry> map,
                               const LoadedKernel& kernel) {
  const std::uint64_t limit = std::min(kAddressLimit, kernel.limits.initrd_last.value + 1);
  const std::uint64_t kernel_base = kernel.segments.front().base.value;
  const std::uint64_t kernel_end = kernel.end.value;
  std::optional<Gpa> best;
  for (const E820Entry& entry : map) {
    if (entry.type != E820Type::kRam) {
      continue;
    }
    const std::uint64_t low = std::max(entry.base.value, kLowMemoryEnd.value);
    const std::uint64_t high = std::min(entry.base.value + entry.size, limit);
    for (const auto& place : {PlaceWithin(size, low, std::min(high, kernel_base)),
                              PlaceWithin(size, std::max(low, kernel_end), high)}) {
      if (place && (!best || *place > *best)) {
        best = place;
      }
    }
  }
  return best;
}

Result<LoadedInitrd> LoadInitrd(const std::string& path, std::span<const E820Entry> map,
                                const LoadedKernel& kernel, GuestMemory& memory) {
  const auto load = [&]() -> Result<LoadedInitrd> {
    VENEER_TRY_ASSIGN(const std::unique_ptr<FileSource> file, FileSource::Open(path));
    const std::optional<Gpa> base = PlaceInitrd(file->size(), map, kernel);
    if (!base) {
      return UsageError(
          "its {} KiB do not fit into the guest's {} MiB of memory beside the kernel, which ends "
          "at {} KiB: give the guest more memory or use a smaller initrd",
          (file->size() + 1023) >> 10U, memory.TotalBytes() >> 20U, kernel.end.value >> 10U);
    }
    VENEER_TRY(CopyToGuest(*file, 0, file->size(), memory, *base));
    return LoadedInitrd{*base, file->size()};
  };
  auto loaded = load();
  if (!loaded) {
    return WithContext(std::move(loaded).error(), fmt::format("cannot use initrd '{}'", path));
  }
  return loaded;
}

}  // namespace veneer
