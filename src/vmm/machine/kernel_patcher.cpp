#include "kernel_patcher.h"

#include <algorithm>
#include <cstdint>
#include <span>

#include "veneer/vmm/base/log.h"
#include "veneer/xencompat/entry/call_sites.h"
#include "xen_layout.h"

namespace veneer {
namespace {

// Linux, Documentation/arch/x86/x86_64/mm.rst: kernel text, mapped in 2 MiB pages.
constexpr std::uint64_t kTextBase = 0xffffffff80000000;
constexpr std::uint64_t kTextSize = std::uint64_t{1} << 30U;
constexpr std::uint64_t kTextStep = std::uint64_t{2} << 20U;

// How much text is looked through at a time: more than any kernel has. The vCPU waits for it, and
// so does whoever wants to pause or stop it.
constexpr std::uint64_t kMostText = std::uint64_t{256} << 20U;

// Linux, arch/x86/kernel/head_32.S and vmlinux.lds.S: a 32-bit kernel's first code is the first of
// its image, which is aligned to more than this, and its text follows.
constexpr std::uint64_t kHeadAlignment = std::uint64_t{64} << 10U;
constexpr std::uint64_t kNarrowTextSize = std::uint64_t{32} << 20U;

unsigned PatchText(std::span<std::byte> text, GuestWidth width) {
  unsigned patched = 0;
  for (const HypercallSite& site : FindHypercallSites(text, width)) {
    const auto patch = PatchHypercallSite(text, site, width, kHypercallPorts);
    if (patch) {
      ++patched;
      LogDebug("hypercall site at offset {:#x} of the text: {}{}", site.instruction,
               site.vmmcall ? "vmmcall" : "vmcall",
               *patch == SitePatch::kSendFast ? ", sends bypass userspace" : "");
    }
  }
  return patched;
}

// As far as the kernel's text goes on without a gap from `offset` into its range on, up to `most`.
std::uint64_t LengthFrom(Vcpu& vcpu, std::uint64_t offset, Gpa start, std::uint64_t most) {
  std::uint64_t length = kTextStep;
  while (length < most && offset + length < kTextSize) {
    const std::optional<Gpa> next = vcpu.Translate(kTextBase + offset + length);
    if (!next || *next != start + length) {
      break;
    }
    length += kTextStep;
  }
  return length;
}

std::optional<unsigned> PatchWideKernel(GuestMemory& memory, Vcpu& vcpu) {
  std::optional<unsigned> patched;
  std::uint64_t offset = 0;
  std::uint64_t left = kMostText;
  while (offset < kTextSize && left > 0 && patched.value_or(0) == 0) {
    const std::optional<Gpa> start = vcpu.Translate(kTextBase + offset);
    if (!start) {
      offset += kTextStep;
      continue;
    }
    const std::uint64_t length = LengthFrom(vcpu, offset, *start, left);
    patched = patched.value_or(0) + PatchText(memory.Pin(*start, length), GuestWidth::k64);
    offset += length;
    left -= length;
  }
  return patched;
}

std::optional<unsigned> PatchNarrowKernel(GuestMemory& memory, std::uint64_t rip) {
  const std::uint64_t start = rip / kHeadAlignment * kHeadAlignment;
  for (const MemoryRegion& region : memory.regions()) {
    if (start >= region.base.value && start - region.base.value < region.size) {
      const std::uint64_t length =
          std::min(kNarrowTextSize, region.base.value + region.size - start);
      return PatchText(memory.Pin(Gpa{start}, length), GuestWidth::k32);
    }
  }
  return std::nullopt;
}

}  // namespace

unsigned PatchLoadedKernel(GuestMemory& memory, const LoadedKernel& kernel) {
  const GuestWidth width = kernel.is_64bit ? GuestWidth::k64 : GuestWidth::k32;
  unsigned patched = 0;
  for (const LoadedSegment& segment : kernel.segments) {
    if (segment.executable && segment.file_size > 0) {
      patched += PatchText(memory.Pin(segment.base, segment.file_size), width);
    }
  }
  return patched;
}

std::optional<unsigned> PatchRunningKernel(GuestMemory& memory, Vcpu& vcpu) {
  const SystemRegisters system = vcpu.GetSystemRegisters();
  if ((system.efer & kEferLongModeActive) != 0) {
    return PatchWideKernel(memory, vcpu);
  }
  if ((system.cr0 & kCr0Paging) == 0) {
    return PatchNarrowKernel(memory, vcpu.GetRegisters().rip);
  }
  return std::nullopt;
}

}  // namespace veneer
