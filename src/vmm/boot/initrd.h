// The initrd: where it goes, and getting it there.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "veneer/vmm/base/result.h"
#include "veneer/vmm/boot/e820.h"
#include "veneer/vmm/boot/kernel_image.h"
#include "veneer/vmm/memory/gpa.h"
#include "veneer/vmm/memory/guest_memory.h"

namespace veneer {

// The highest page-aligned place for `size` bytes in the RAM of `map` that the kernel can reach and
// does not use itself, above the first MiB; nullopt if there is none.
std::optional<Gpa> PlaceInitrd(std::uint64_t size, std::span<const E820Entry> map,
                               const LoadedKernel& kernel);

struct LoadedInitrd {
  Gpa base;
  std::uint64_t size = 0;  // bytes
};

// Loads the files one behind the other, each from a multiple of four bytes on, as Linux unpacks
// several archives. UsageError naming the file if one cannot be read or they do not fit.
Result<LoadedInitrd> LoadInitrd(std::span<const std::string> paths, std::span<const E820Entry> map,
                                const LoadedKernel& kernel, GuestMemory& memory);

}  // namespace veneer
