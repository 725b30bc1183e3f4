// What a kernel is told about its machine, whatever the boot protocol.
#pragma once

#include <optional>
#include <span>

#include "initrd.h"
#include "veneer/vmm/boot/e820.h"
#include "veneer/vmm/boot/kernel_image.h"
#include "veneer/vmm/memory/gpa.h"

namespace veneer {

// The command line is at kCmdlineBase.
struct BootInfo {
  const LoadedKernel& kernel;
  std::span<const E820Entry> e820;
  LoadedInitrd initrd;  // size 0: none
  std::optional<Gpa> rsdp;
};

}  // namespace veneer
