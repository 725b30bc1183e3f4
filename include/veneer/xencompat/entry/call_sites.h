// Hypercalls of kernels that bring their own VMCALL and VMMCALL instead of using the hypercall page
// (Linux after XSA-466): finding these instructions and making them leave through an I/O port.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "veneer/xencompat/abi/xen_types.h"
#include "veneer/xencompat/entry/ports.h"

namespace veneer {

// One of the kernel's two tiny hypercall functions: an optional ENDBR, the three-byte instruction,
// and a return (RET, or a jump to a return thunk). In 64-bit kernels it is alone in a 16-byte slot;
// in 32-bit ones functions are aligned to four bytes only, and the two stand back to back.
struct HypercallSite {
  std::size_t instruction = 0;  // offset of the VMCALL or VMMCALL, bytes
  bool vmmcall = false;         // AMD's form
};

// A kernel has two; whoever has more is told of this many, so that patching them stays cheap.
inline constexpr std::size_t kMaxHypercallSites = 8;

// Looks through `text`, executable bytes of the kernel of which the first is page-aligned in the
// guest's address space. Every other use of these instructions (KVM, Hyper-V, VMware code) sits in
// the midst of a larger function and is left alone. Sites come in pairs, one per CPU vendor and
// both returning the same way; whatever has no partner is not reported. `width` is that of the
// kernel's code. Takes time in proportion to the text, whatever is in it, and no memory to speak
// of: after 65 536 instructions that might be such a function it stops.
std::vector<HypercallSite> FindHypercallSites(std::span<const std::byte> text,
                                              GuestWidth width = GuestWidth::k64);

enum class SitePatch {
  kSendFast,  // event channel sends leave through HypercallPorts::send
  kPlain,     // there was no room for that: every call leaves through HypercallPorts::call
};

// Rewrites one site that FindHypercallSites() reported for this `text`; nullopt, without a change,
// if it no longer looks like one. The return behind the instruction keeps its place: the kernel has
// it in a list of its own and rewrites it while booting. Room for the longer code is found in the
// padding of the functions around and, for its body, in a filler of int3 further up in the text.
std::optional<SitePatch> PatchHypercallSite(std::span<std::byte> text, const HypercallSite& site,
                                            GuestWidth width, const HypercallPorts& ports);

}  // namespace veneer
