#include "kernel_patcher.h"

#include "veneer/vmm/base/log.h"
#include "veneer/xencompat/entry/call_sites.h"
#include "xen_layout.h"

namespace veneer {
namespace {

// Linux, Documentation/arch/x86/x86_64/mm.rst: kernel text, mapped in 2 MiB pages.
constexpr std::uint64_t kTextBase = 0xffffffff80000000;
constexpr std::uint64_t kTextSize = std::uint64_t{1} << 30U;
constexpr std::uint64_t kTextStep = std::uint64_t{2} << 20U;

unsigned PatchText(std::span<std::byte> text) {
  unsigned patched = 0;
  for (const HypercallSite& site : FindHypercallSites(text)) {
    const auto patch = PatchHypercallSite(text, site, GuestWidth::k64, kHypercallPorts);
    if (patch) {
      ++patched;
      LogDebug("hypercall site at offset {:#x} of the text: {}{}", site.instruction,
               site.vmmcall ? "vmmcall" : "vmcall",
               *patch == SitePatch::kSendFast ? ", sends bypass userspace" : "");
    }
  }
  return patched;
}

}  // namespace

unsigned PatchLoadedKernel(GuestMemory& memory, std::span<const LoadedSegment> segments) {
  unsigned patched = 0;
  for (const LoadedSegment& segment : segments) {
    if (segment.executable && segment.file_size > 0) {
      patched += PatchText(memory.Pin(segment.base, segment.file_size));
    }
  }
  return patched;
}

unsigned PatchRunningKernel(GuestMemory& memory, Vcpu& vcpu) {
  unsigned patched = 0;
  std::uint64_t offset = 0;
  while (offset < kTextSize && patched == 0) {
    const std::optional<Gpa> start = vcpu.Translate(kTextBase + offset);
    if (!start) {
      offset += kTextStep;
      continue;
    }
    // As far as it goes on without a gap.
    std::uint64_t length = kTextStep;
    while (offset + length < kTextSize) {
      const std::optional<Gpa> next = vcpu.Translate(kTextBase + offset + length);
      if (!next || *next != *start + length) {
        break;
      }
      length += kTextStep;
    }
    patched += PatchText(memory.Pin(*start, length));
    offset += length;
  }
  return patched;
}

}  // namespace veneer
