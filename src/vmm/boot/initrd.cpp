#include "initrd.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include <fmt/format.h>

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

namespace {

constexpr std::uint64_t kAlignment = 4;

struct Part {
  const std::string& path;
  std::unique_ptr<FileSource> file;
  std::uint64_t offset;  // in the whole
};

std::string Trouble(const std::string& path) { return fmt::format("cannot use initrd '{}'", path); }

}  // namespace

Result<LoadedInitrd> LoadInitrd(std::span<const std::string> paths, std::span<const E820Entry> map,
                                const LoadedKernel& kernel, GuestMemory& memory) {
  std::vector<Part> parts;
  std::uint64_t size = 0;
  for (const std::string& path : paths) {
    auto file = FileSource::Open(path);
    if (!file) {
      return WithContext(std::move(file).error(), Trouble(path));
    }
    const std::uint64_t offset = (size + kAlignment - 1) / kAlignment * kAlignment;
    size = offset + (*file)->size();
    parts.push_back({path, std::move(*file), offset});
  }
  const std::optional<Gpa> base = PlaceInitrd(size, map, kernel);
  if (!base) {
    return UsageError(
        "cannot use initrd '{}': its {} KiB do not fit into the guest's {} MiB of memory beside "
        "the "
        "kernel, which ends at {} KiB: give the guest more memory or use a smaller initrd",
        fmt::join(paths, "', '"), (size + 1023) >> 10U, memory.TotalBytes() >> 20U,
        kernel.end.value >> 10U);
  }
  for (const Part& part : parts) {
    auto copied = CopyToGuest(*part.file, 0, part.file->size(), memory, *base + part.offset);
    if (!copied) {
      return WithContext(std::move(copied).error(), Trouble(part.path));
    }
  }
  return LoadedInitrd{*base, size};
}

}  // namespace veneer
